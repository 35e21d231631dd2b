"""Which doors something before the gateway lets through, as far as a client has found out."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from attrs import define

T = TypeVar("T")

KEPT_S: Final = 600.0
"""After so long the best door is tried again: what is before a gateway changes, and one may have been wrong."""


@define
class Way:
    """One client's. Doors are known by their places, the best one first."""

    _first: int = 0
    _until: float = 0.0

    @property
    def first(self) -> int:
        """The place of the door to begin with."""
        return self._first if asyncio.get_running_loop().time() < self._until else 0

    def doors(self, doors: Sequence[T]) -> Iterator[tuple[int, T]]:
        """Those to be tried, in turn, with their places."""
        first = self.first
        return zip(range(first, len(doors)), doors[first:], strict=True)

    def is_open_at(self, place: int) -> None:
        """The door there has told something, those before it have not."""
        if place != self.first:
            self._first, self._until = place, asyncio.get_running_loop().time() + KEPT_S

    def forget(self) -> None:
        """None of them was open."""
        self._until = 0.0
