"""Bells for services that wait for something to do."""

import asyncio

from attrs import define, field


@define(eq=False)
class Work:
    """Rings when there may be something to fetch or to publish."""

    _bells: list[asyncio.Event] = field(factory=list)

    def bell(self) -> asyncio.Event:
        """A new bell, which each ring sets."""
        event = asyncio.Event()
        self._bells.append(event)
        return event

    def ring(self) -> None:
        for bell in self._bells:
            bell.set()
