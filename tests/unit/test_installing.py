"""What operators are told to run is what works where they are."""

import shlex
import sys

from gateway.installing import how_to_install


def test_it_is_installed_from_the_source_folder_by_the_python_that_runs() -> None:
    where, _, command = how_to_install("place").partition(": ")
    assert where == "in the gateway's source folder"
    assert shlex.split(command) == [sys.executable, "-m", "pip", "install", ".[place]"]


def test_the_path_of_a_python_is_quoted_for_the_shell(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/my programs/python")
    command = how_to_install("place").partition(": ")[2]
    assert shlex.split(command)[0] == "/my programs/python"
