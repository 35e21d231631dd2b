"""The scripts under make: what a machine without this or that is told, and what ends up in the wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS_OF_ANY_MACHINE = ("sh", "sed", "dirname", "rm", "chmod")


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder to be the whole PATH: a machine with nothing but what every Unix has."""
    for name in TOOLS_OF_ANY_MACHINE:
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    return tmp_path


def install(name: str, script: str, folder: Path) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def run(tool: str, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), **variables}
    return subprocess.run([ROOT / "tools" / tool], env=environment, capture_output=True, text=True)


def test_make_alone_lists_the_targets():
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    assert {"run", "demo", "test", "check", "bench", "lock", "dist", "clean"} <= targets


def test_without_python_one_line_says_what_to_install(bare_path):
    ended = run("find-python", bare_path)
    assert (ended.returncode, ended.stderr.count("\n"), "python3-venv" in ended.stderr) == (1, 1, True)


def test_a_python_that_makes_no_environments_is_named_with_its_package(bare_path):
    install("python3.12", "case $2 in *ensurepip*) exit 1; esac", bare_path)
    ended = run("find-python", bare_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "apt-get install python3.12-venv" in ended.stderr


def test_a_whole_python_is_preferred_to_an_older_one_without_venv(bare_path):
    install("python3.11", "case $2 in *ensurepip*) exit 1; esac", bare_path)
    install("python3.12", "", bare_path)
    assert run("find-python", bare_path).stdout.strip() == str(bare_path / "python3.12")


def test_missing_programs_of_the_suite_are_named_in_one_line(bare_path):
    install("python3.11", "", bare_path)
    install("chromium", "", bare_path)
    install("id", "echo 1000", bare_path)
    ended = run("system-packages", bare_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ("libimage-exiftool-perl" in ended.stderr, "chromium" in ended.stderr) == (True, False)


@pytest.fixture
def debian(bare_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Root on a Debian where nothing is installed: its PATH, and where it is said whether services may start.

    The apt-get of this machine writes down what it is asked for, and whether a package could start its service.
    """
    may_start = tmp_path_factory.mktemp("sbin") / "policy-rc.d"
    install("python3.11", "", bare_path)
    install("id", "echo 0", bare_path)
    install("apt-get", 'if "$MAY_START"; then start=yes; else start=$?; fi; echo "$start $*"', bare_path)
    return bare_path, may_start


def test_root_on_debian_gets_them_and_no_server_is_started(debian):
    path, may_start = debian
    ended = run("system-packages", path, MAY_START=str(may_start))
    last = ended.stdout.splitlines()[-1]
    assert ended.returncode == 0, ended.stderr
    assert last.startswith("101 ")
    assert "rabbitmq-server" in last
    assert not may_start.exists()


def test_what_an_administrator_said_about_starting_services_stays(debian):
    path, may_start = debian
    install(may_start.name, "exit 104", may_start.parent)
    ended = run("system-packages", path, MAY_START=str(may_start))
    assert ended.stdout.splitlines()[-1].startswith("104 ")
    assert may_start.exists()


def test_the_wheel_holds_every_file_of_the_package_and_no_test(tmp_path):
    """Not only .py files: pages, schemas and migrations must be named in setup.cfg to be in it."""
    for part in ("gateway", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    wheel = zipfile.ZipFile(next(tmp_path.glob("*.whl")))
    in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
    in_tree = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "gateway").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_wheel == in_tree
