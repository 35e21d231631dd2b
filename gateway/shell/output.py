"""The folder of tagged copies. Nothing that lies there is ever overwritten: a copy whose name is taken gets a number.

A copy is whole or not there; sub-folders are kept.
"""

import itertools
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from attrs import frozen

from gateway.shell.plan import SUFFIXES


@frozen
class OutputFolder:
    root: Path

    def prepare(self) -> None:
        """Make the folder, and see that files can be written there. Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.root):
            pass

    async def save(self, name: Path, write: Callable[[Path], Awaitable[str]]) -> Path:
        """Let `write` put the copy down, then give it its name, or the next free one. Raises OSError.

        `write` returns what the gateway calls it: the copy ends as that does, so a PNG called `a.jpg` is `a.png`.
        """
        folder = (self.root / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{secrets.token_hex(8)}.part"
        try:
            served = await write(part)
            return _put(part, folder / _named(name, served))
        finally:
            part.unlink(missing_ok=True)


def _put(part: Path, wanted: Path) -> Path:
    place = _claim(wanted)
    try:
        part.replace(place)
    except OSError:
        place.unlink()
        raise
    return place


def _claim(wanted: Path) -> Path:
    """Take a free name by an empty file, so that nobody else does before the copy is there."""
    for place in _numbered(wanted):
        try:
            place.touch(exist_ok=False)
        except FileExistsError:
            continue
        return place
    raise AssertionError("numbers do not end")


def _named(name: Path, served: str) -> str:
    ending = Path(served).suffix
    if ending not in SUFFIXES or ending == name.suffix.lower():
        return name.name
    is_added = not name.suffix or Path(served).stem.endswith(name.suffix)
    return name.name + ending if is_added else name.stem + ending


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
