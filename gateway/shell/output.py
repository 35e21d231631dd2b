"""The folder of tagged copies. Nothing that lies there is ever overwritten: a copy whose name is taken gets a number.

A copy is whole or not there; sub-folders are kept.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from attrs import frozen


@frozen
class OutputFolder:
    root: Path

    async def save(self, name: Path, write: Callable[[Path], Awaitable[None]]) -> Path:
        """Let `write` put the copy where its name, or the next free one, is. Raises OSError."""
        place = self._claim(name)
        try:
            await write(place)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return place

    def _claim(self, name: Path) -> Path:
        """Take a free name by an empty file, so that nobody else does before the copy is there."""
        wanted = self.root / name
        wanted.parent.mkdir(parents=True, exist_ok=True)
        for place in _numbered(wanted):
            try:
                place.touch(exist_ok=False)
            except FileExistsError:
                continue
            return place
        raise AssertionError("numbers do not end")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
