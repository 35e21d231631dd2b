"""The name by which a shell finds this program."""

import sys
from pathlib import Path

import pytest

from gateway.shell.command import own_command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source folder with an environment, `.venv`, whose Python runs us; nothing is on the path."""
    folder = tmp_path / "source folder"
    program(folder / ".venv/bin/gateway")
    monkeypatch.setattr(sys, "executable", str(folder / ".venv/bin/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(folder)
    return folder


def program(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


@pytest.mark.usefixtures("folder")
def test_one_that_is_not_on_the_path_is_called_by_its_place_in_the_present_folder() -> None:
    assert own_command() == ".venv/bin/gateway"


def test_from_elsewhere_it_is_called_by_its_whole_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    assert own_command() == f"'{folder}/.venv/bin/gateway'"


def test_one_that_is_on_the_path_is_called_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder / ".venv/bin"))
    assert own_command() == "gateway"


def test_a_link_on_the_path_is_this_one_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gateway").symlink_to(folder / ".venv/bin/gateway")
    assert own_command() == "gateway"


@pytest.mark.usefixtures("folder")
def test_another_of_that_name_on_the_path_is_not_called(tmp_path: Path) -> None:
    program(tmp_path / "bin/gateway")
    assert own_command() == ".venv/bin/gateway"


def test_without_a_script_it_is_called_as_a_module(folder: Path) -> None:
    (folder / ".venv/bin/gateway").unlink()
    assert own_command() == ".venv/bin/python -m gateway"
