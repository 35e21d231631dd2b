"""config/embedded.toml shows every setting with its default, and what it is for."""

import itertools

from gateway.settings import Settings, load
from gateway.settings.sources import from_file
from tests.config_files import CONFIG, KEYS, SETTING, uncommented, value_at

FILE = CONFIG / "embedded.toml"
OF_THE_MACHINE = {"data_dir", "helpers.count"}


def test_the_file_as_it_is_changes_nothing():
    assert load(FILE, {}).settings == Settings()


def test_every_setting_stands_in_the_file(tmp_path):
    assert sorted(from_file(uncommented(FILE, tmp_path), KEYS)) == sorted(KEYS)


def test_the_settings_stand_in_the_file_with_their_defaults(tmp_path):
    shown, default = load(uncommented(FILE, tmp_path), {}).settings, Settings()
    differing = [path for path in KEYS if value_at(shown, path) != value_at(default, path)]
    assert set(differing) <= OF_THE_MACHINE


def test_every_setting_in_the_file_has_a_line_that_explains_it():
    lines = FILE.read_text().splitlines()
    bare = [line for before, line in itertools.pairwise(lines) if SETTING.match(line) and before[:2] != "# "]
    assert bare == []
