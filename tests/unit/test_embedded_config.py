"""config/embedded.toml shows every setting with its default, and what it is for."""

import itertools
import re
from pathlib import Path

import pytest

from gateway.settings import Settings, load
from gateway.settings.sources import from_file, known_keys

FILE = Path(__file__).parents[2] / "config/embedded.toml"
KEYS = known_keys(Settings)
OF_THE_MACHINE = {"data_dir", "helpers.count"}
SETTING = re.compile(r"#(?=\w+ = )")


@pytest.fixture
def uncommented(tmp_path: Path) -> Path:
    lines = (
        SETTING.sub("", line, count=1) if SETTING.match(line) else line
        for line in FILE.read_text().splitlines()
    )
    file = tmp_path / "uncommented.toml"
    file.write_text("\n".join(lines))
    return file


def test_the_file_as_it_is_changes_nothing():
    assert load(FILE, {}).settings == Settings()


def test_every_setting_stands_in_the_file(uncommented):
    assert sorted(from_file(uncommented, KEYS)) == sorted(KEYS)


def test_the_settings_stand_in_the_file_with_their_defaults(uncommented):
    shown, default = load(uncommented, {}).settings, Settings()
    differing = [path for path in KEYS if value_at(shown, path) != value_at(default, path)]
    assert set(differing) <= OF_THE_MACHINE


def test_every_setting_in_the_file_has_a_line_that_explains_it():
    lines = FILE.read_text().splitlines()
    bare = [line for before, line in itertools.pairwise(lines) if SETTING.match(line) and before[:2] != "# "]
    assert bare == []


def value_at(settings: object, path: str) -> object:
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings
