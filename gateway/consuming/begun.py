"""What this process has begun to work on: whatever of it comes again, it has survived.

A broker calls redelivered what a dead worker had in hand, and likewise what lay in the hand of one whose connection was
lost, or whose ack was lost with it. Who lives can tell the two apart, for what it had itself.
"""

from hashlib import sha256
from typing import Final

from attrs import define, field

from gateway.consuming.tries import tries_of
from gateway.ports.broker import Delivery

MOST: Final = 1000
"""More than a process has in hand, with what it acked just before its connection was lost."""


@define(eq=False)
class Begun:
    """The latest tries that were begun here. One that went on to others is not ours alone any more: discard it."""

    _names: dict[bytes, None] = field(init=False, factory=dict)
    """The oldest first."""

    def add(self, delivery: Delivery) -> None:
        self.discard(delivery)
        self._names[_name_of(delivery)] = None
        if len(self._names) > MOST:
            del self._names[next(iter(self._names))]

    def discard(self, delivery: Delivery) -> None:
        self._names.pop(_name_of(delivery), None)

    def __contains__(self, delivery: Delivery) -> bool:
        return _name_of(delivery) in self._names


def _name_of(delivery: Delivery) -> bytes:
    """Of one try of one message: whoever is to make another one counts it first."""
    return sha256(b"%d %b" % (tries_of(delivery), delivery.body)).digest()
