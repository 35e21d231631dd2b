"""A Python that lacks packages which this one has: what a machine is like where an extra was not installed."""

import shutil
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))


def a_python_without(folder: Path, *packages: str, instead: Mapping[str, Path] = {}) -> Path:
    """The program, in an environment of links to our packages, but for these; `instead` has others in their place."""
    venv.create(folder, symlinks=True)
    (target,) = folder.glob("lib/python*/site-packages")
    for entry in PACKAGES.iterdir():
        if entry.name.partition(".")[0].partition("-")[0].lower() not in {*packages, *instead}:
            (target / entry.name).symlink_to(entry)
    for name, package in instead.items():
        (target / name).symlink_to(package)
    return folder / "bin" / "python"


def a_copy_of(package: str, folder: Path) -> Path:
    """A package of ours that a test may damage."""
    return Path(shutil.copytree(PACKAGES / package, folder / package))
