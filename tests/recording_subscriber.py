"""Somebody who follows a job, with all that is told kept as events.

reader = RecordingSubscriber(hub, stream, job_id, after="0")
reader.start()
await reader.until(lambda: len(reader.events) == 2)
reader.leave()
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from attrs import define, field

from gateway.domain.events import Event
from gateway.events.follower import End, Follower
from gateway.events.hub import Hub
from gateway.events.peer import Peer
from gateway.events.stream import EventStream
from gateway.events.wire import Opening
from tests.patience import PATIENCE_S
from tests.recording_transport import RecordingTransport


@define(eq=False)
class RecordingWire:
    """Each message is a line with the place of what it tells of in `written`."""

    written: list[Opening | Event] = field(factory=list)

    def opening(self, job_id: str, opening: Opening) -> bytes:
        return self._line(opening)

    def news(self, job_id: str, events: Sequence[Event]) -> bytes:
        return b"".join(map(self._line, events))

    def _line(self, told: Opening | Event) -> bytes:
        self.written.append(told)
        return b"%d\n" % (len(self.written) - 1)


@define(eq=False)
class RecordingSubscriber:
    """`transport` says what it reads; `ends` how its subscription ended."""

    hub: Hub
    stream: EventStream
    job_id: str
    after: str | None = None
    with_images: bool = False
    wire: RecordingWire = field(factory=RecordingWire)
    transport: RecordingTransport = field(factory=RecordingTransport)
    ends: list[End] = field(factory=list)
    peer: Peer = field(init=False)
    follower: Follower = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.peer = self.transport.peer()
        self.follower = Follower(
            self.job_id,
            hub=self.hub,
            stream=self.stream,
            peer=self.peer,
            wire=self.wire,
            on_end=self.ends.append,
            after=self.after,
            with_images=self.with_images,
        )

    @property
    def told(self) -> list[Opening | Event]:
        """All that was read of it so far."""
        lines = bytes(self.transport.taken).splitlines(keepends=True)
        return [self.wire.written[int(line)] for line in lines if line.endswith(b"\n")]

    @property
    def opening(self) -> Opening:
        (opening,) = (told for told in self.told if isinstance(told, Opening))
        return opening

    @property
    def events(self) -> list[Event]:
        """Those after the opening."""
        return [told for told in self.told if isinstance(told, Event)]

    def start(self) -> None:
        self.follower.start()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await asyncio.sleep(0.001)

    async def until_opened(self) -> Opening:
        await self.until(lambda: bool(self.told))
        return self.opening

    async def until_ended(self) -> list[Event]:
        """The events up to there."""
        await self.until(lambda: bool(self.ends))
        return self.events

    async def leave(self) -> None:
        self.follower.stop()
        await self.peer.close()


@asynccontextmanager
async def subscribed(
    hub: Hub, stream: EventStream, job_id: str, after: str | None = None, *, with_images: bool = False
) -> AsyncIterator[RecordingSubscriber]:
    """One who follows, for as long as the context lasts."""
    reader = RecordingSubscriber(hub, stream, job_id, after, with_images)
    reader.start()
    try:
        yield reader
    finally:
        await reader.leave()
