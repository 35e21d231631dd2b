"""The lock files hold what setup.cfg asks for, and nothing that our licence forbids."""

import importlib.metadata
import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK_FILES = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)", re.MULTILINE)


def asked_for(*extras: str) -> list[Requirement]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [
        setup["options"]["install_requires"],
        *(setup["options.extras_require"][extra] for extra in extras),
    ]
    return [Requirement(line) for lines in lists for line in lines.splitlines() if line.strip()]


def pinned_in(lock: str) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for match in PINNED.finditer((ROOT / "requirements" / lock).read_text()):
        versions.setdefault(canonicalize_name(match["name"]), []).append(match["version"])
    return versions


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("run.txt", ["processor", "local"]), ("test.txt", ["processor", "local", "place", "test", "dev"])],
)
def test_a_lock_pins_all_that_setup_cfg_asks_for(lock, extras):
    pinned = pinned_in(lock)
    unmet = [
        str(wanted)
        for wanted in asked_for(*extras)
        if not any(wanted.specifier.contains(v) for v in pinned.get(canonicalize_name(wanted.name), []))
    ]
    assert unmet == []


def test_the_lock_of_an_extra_that_may_be_added_pins_it():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (place,) = setup["options.extras_require"]["place"].split()
    assert place in {f"{name}=={version}" for name, (version,) in pinned_in("place.txt").items()}


def test_the_lock_of_the_fuzzer_pins_a_version_for_each_python():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = [Requirement(line) for line in setup["options.extras_require"]["fuzz"].split("\n") if line]
    pinned = pinned_in("fuzz.txt")
    assert all(any(map(each.specifier.contains, pinned[each.name])) for each in wanted)


@pytest.mark.parametrize("lock", ["run.txt", "place.txt"])
def test_tests_run_with_the_versions_that_users_get(lock):
    theirs, test = pinned_in(lock), pinned_in("test.txt")
    assert {name: test.get(name) for name in theirs} == theirs


def test_what_may_be_added_leaves_what_is_there():
    run, added = pinned_in("run.txt"), pinned_in("place.txt")
    assert {name: run[name] for name in added if name in run} == {
        name: added[name] for name in added if name in run
    }


@pytest.mark.parametrize("lock", LOCK_FILES, ids=lambda path: path.name)
def test_every_pinned_package_has_hashes_and_no_index_is_named(lock):
    text = lock.read_text()
    blocks = re.split(r"\n(?=[\w.-]+==)", text)[1:]
    assert (all("--hash=sha256:" in block for block in blocks), "://" in text) == (True, False)


def test_no_base_dependency_is_under_the_gpl():
    """The GPLv3 of pyexiv2 must stay in its extra, or it would rule all that we ship."""
    base = {canonicalize_name(wanted.name) for wanted in asked_for()}
    todo, seen = list(base), set(base)
    while todo:
        for name in dependencies_of(todo.pop()) - seen:
            seen.add(name)
            todo.append(name)
    assert {
        name: licence for name in seen if re.search(r"\bA?GPL|General Public", licence := licence_of(name))
    } == {}


def dependencies_of(name: NormalizedName) -> set[NormalizedName]:
    try:
        wanted = [Requirement(line) for line in importlib.metadata.requires(name) or []]
    except importlib.metadata.PackageNotFoundError:
        return set()
    return {
        canonicalize_name(each.name)
        for each in wanted
        if not each.marker or each.marker.evaluate({"extra": ""})
    }


def licence_of(name: str) -> str:
    metadata = importlib.metadata.metadata(name)
    classifiers = [line for line in metadata.get_all("Classifier", []) if line.startswith("License")]
    return " ".join([*metadata.get_all("License-Expression", []), *classifiers]) or metadata["License"][:200]
