"""A skip is a failure: tests.no_skips, tried on a suite of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = {
    "skip": "def test_it(): pytest.skip('no server')",
    "mark": "@pytest.mark.skip(reason='no server')\ndef test_it(): pass",
    "xfail": "@pytest.mark.xfail(reason='no server')\ndef test_it(): raise OSError",
    "module": "pytest.skip('no server', allow_module_level=True)",
    "import": "pytest.importorskip('no_such_module', reason='no server')",
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    for name, body in {**SUITE, "good": "def test_it(): pass"}.items():
        (folder / f"test_{name}.py").write_text(f"import pytest\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-p", "no:cacheprovider", "-vv", "-ra"]
    ended = subprocess.run(
        [*command, "--continue-on-collection-errors", "--rootdir", folder, "-c", "/dev/null", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return ended.stdout


@pytest.mark.parametrize("kind", SUITE)
def test_what_could_not_run_fails(kind, outcome):
    assert re.search(rf"^(FAILED|ERROR) \S*test_{kind}\.py", outcome, re.MULTILINE)


def test_each_says_why(outcome):
    assert outcome.count("counts as failed: ") >= len(SUITE)


def test_what_ran_well_still_passes(outcome):
    assert "1 passed" in outcome
