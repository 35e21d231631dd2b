"""The queues of the in-process broker: who waits for room, what lies ready in which order, who gets it next.

A message keeps its place: given back, it is the next again, before all that came after it. Nothing here awaits
but `wait_for_room`, so that each step is whole.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Protocol

import structlog
from attrs import define, evolve, field, frozen

from gateway.errors import Unavailable
from gateway.ports.broker import Queue, QueueDepth

log = structlog.get_logger(__name__)


@frozen(order=True)
class Message:
    """One message, at its place in its queue."""

    place: int
    body: bytes = field(order=False)
    headers: Mapping[str, object] = field(order=False)
    redelivered: bool = field(default=False, order=False)


class Consumer(Protocol):
    """Who takes messages as they come."""

    @property
    def has_capacity(self) -> bool:
        """Whether it may be given one more."""

    def receive(self, message: Message) -> None:
        """Take it in hand."""


@define(eq=False)
class BoundedQueue:
    """Holds at most `max_messages`, those in consumers' hands included; publishers wait for room."""

    name: Queue
    max_messages: int
    _room: asyncio.Semaphore = field(init=False)
    _fresh: deque[Message] = field(init=False, factory=deque)
    _given_back: list[Message] = field(init=False, factory=list)
    """A heap. All in it were once the first of `_fresh`, so they come before all that still lie there."""
    _consumers: deque[Consumer] = field(init=False, factory=deque)
    _places: Iterator[int] = field(init=False, factory=count)
    _is_closed: bool = field(init=False, default=False)

    @_room.default
    def _all_room(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.max_messages)

    async def wait_for_room(self) -> None:
        """Returns with room for one message. Raises Unavailable once the queue is closed."""
        await self._room.acquire()
        if self._is_closed:
            self._room.release()  # so that the next in line learns it too
            raise Unavailable("The message broker is closed.")

    def add(self, body: bytes, headers: Mapping[str, object]) -> None:
        self._fresh.append(Message(next(self._places), body, headers))
        self._hand_out()

    def take(self, limit: int) -> list[Message]:
        """What lies ready, oldest first; it must be settled or given back."""
        return [self._pop() for _ in range(min(limit, self._ready))]

    def settle(self, number: int) -> None:
        """So many messages that were in hand have gone for good."""
        for _ in range(number):
            self._room.release()
        self._hand_out()

    def give_back(self, messages: Iterable[Message]) -> None:
        for message in messages:
            heapq.heappush(self._given_back, evolve(message, redelivered=True))
        self._hand_out()

    def join(self, consumer: Consumer) -> None:
        self._consumers.append(consumer)
        self._hand_out()

    def leave(self, consumer: Consumer) -> None:
        self._consumers.remove(consumer)

    def depth(self) -> QueueDepth:
        return QueueDepth(messages=self._ready, consumers=len(self._consumers))

    def close(self) -> None:
        self._is_closed = True
        self._room.release()

    @property
    def _ready(self) -> int:
        return len(self._given_back) + len(self._fresh)

    def _pop(self) -> Message:
        return heapq.heappop(self._given_back) if self._given_back else self._fresh.popleft()

    def _hand_out(self) -> None:
        while self._ready and (consumer := self._next_consumer()) is not None:
            consumer.receive(self._pop())

    def _next_consumer(self) -> Consumer | None:
        """By turns, those whose hands are full left out."""
        for _ in range(len(self._consumers)):
            self._consumers.rotate(-1)
            if self._consumers[-1].has_capacity:
                return self._consumers[-1]
        return None


@define(eq=False)
class ParkingQueue(BoundedQueue):
    """Nobody need ever empty it: at most `max_messages` lie ready, and the oldest make room for the next.

    For dead letters and foreign results. A broker with a disk keeps them all; here they would fill the memory,
    and a publisher that waited for room would wait for ever.
    """

    async def wait_for_room(self) -> None:
        if self._is_closed:
            raise Unavailable("The message broker is closed.")

    def settle(self, number: int) -> None:
        self._hand_out()

    def _hand_out(self) -> None:
        super()._hand_out()
        if dropped := self.take(self._ready - self.max_messages):
            log.warning(
                "oldest messages dropped: the queue is full", queue=self.name.value, count=len(dropped)
            )
