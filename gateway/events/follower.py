"""One subscription to one job: where it stands in the log, and whether it is written to with the others.

A follower is behind until its peer has taken all that was told: first the opening, then the log piece by piece, each
when there is room. Then it is live, and behind again when there is none. What waits for it is nowhere but in the log.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import Final

import structlog
from attrs import define, field

from gateway.domain.events import Event
from gateway.errors import GatewayError
from gateway.events.hub import Hub
from gateway.events.peer import Peer, PeerLeft
from gateway.events.pending import merged
from gateway.events.stream import EventStream
from gateway.events.topic import Flush, Topic, is_end
from gateway.events.wire import Wire
from gateway.ports.job_store import JobNotFound

log = structlog.get_logger(__name__)

_STOPPED: Final = -2
"""A position at which no flush begins."""


class End(Enum):
    """Why there is no more to come: the job's end was told, it was deleted, its log can't be read now, or a bug."""

    COMPLETE = auto()
    DELETED = auto()
    UNREADABLE = auto()
    CRASHED = auto()


async def piece_or_end(
    next_piece: Callable[[], Awaitable[bool]], end: Callable[[End], None], *, job_id: str
) -> bool:
    """Whether there is more than that piece; there is not if the subscription ends by it. Raises PeerLeft alone."""
    try:
        return await next_piece()
    except PeerLeft:
        raise
    except JobNotFound:
        end(End.DELETED)
    except GatewayError as error:
        log.warning("a subscriber's log can't be read", job_id=job_id, reason=str(error))
        end(End.UNREADABLE)
    except Exception:
        log.exception("a subscription crashed", job_id=job_id)
        end(End.CRASHED)
    return False


@define(eq=False, repr=False)
class Follower:
    """Writes the news of a job to a peer, from `start` until `stop`, or until `on_end` is called, once.

    `after` is the position of the last event that was seen, or "0" for the whole log.
    """

    job_id: str
    _peer: Peer
    _wire: Wire
    position: int = field(init=False, default=-1)
    _hub: Hub
    _stream: EventStream
    _on_end: Callable[[End], None]
    _after: str | None = None
    _with_images: bool = False
    _known: int = field(init=False, default=0)
    _last_read: Event | None = field(init=False, default=None)
    """The last one that was told to this one alone."""
    _topic: Topic | None = field(init=False, default=None)

    def start(self) -> None:
        """Listen, and have the opening written."""
        self._topic = self._hub.topic(self.job_id)
        self._topic.subscribers.add(self)
        self._peer.queue(self)

    def stop(self) -> None:
        """Nothing is written any more; may be called again."""
        topic, self._topic = self._topic, None
        if topic is not None:
            self.position = _STOPPED
            topic.leave(self)
            topic.subscribers.discard(self)
            self._hub.release(topic)
            self._peer.forget(self)

    def take(self, flush: Flush) -> None:
        """For the topic: write what is told to all, if all before it was written and there is room."""
        try:
            if self.position == flush.before and self._peer.write_now(flush.on(self._wire), flush.messages):
                self.position = flush.seq
                if flush.has_end:
                    self._end(End.COMPLETE)
            elif self.position < flush.seq:
                self._fall_behind()
        except Exception:
            # It ends this subscription alone, and not those of all who come after it.
            log.exception("a subscription crashed", job_id=self.job_id)
            self._end(End.CRASHED)

    def last_told(self) -> Event | None:
        """What the subscriber was told last, which may be told again; None before the opening and after the end."""
        if self._topic is not None:
            for event in (self._topic.last_told, self._last_read):
                if event is not None and event.seq == self.position:
                    return event
        return None

    def job_deleted(self) -> None:
        """For the topic."""
        self._end(End.DELETED)

    async def catch_up(self) -> bool:
        """Write the opening, or the next piece of the log; see Queued."""
        return await piece_or_end(self._next_piece, self._end, job_id=self.job_id)

    async def _next_piece(self) -> bool:
        topic = self._topic
        if topic is None:
            return False
        if self.position < 0:
            await self._open()
        elif self._is_behind(topic):
            await self._read_on(topic)
        if self._topic is None or self._is_behind(topic):
            return self._topic is not None
        topic.join(self)
        return False

    async def _open(self) -> None:
        opening = await self._stream.opening(self.job_id, self._after, with_images=self._with_images)
        if self._topic is None:
            return
        self._peer.write(self._wire.opening(self.job_id, opening))
        self.position, self._known, self._last_read = opening.seq, opening.known, opening.event

    async def _read_on(self, topic: Topic) -> None:
        up_to = max(topic.told, self._known)
        events = await self._stream.events(topic, after=self.position, up_to=up_to)
        if events and self._topic is not None:
            self._tell(events)

    def _tell(self, events: Sequence[Event]) -> None:
        told = merged(events)
        self._peer.write(self._wire.news(self.job_id, told), len(told))
        self._last_read = events[-1]
        self.position = events[-1].seq
        if is_end(events[-1]):
            self._end(End.COMPLETE)

    def _is_behind(self, topic: Topic) -> bool:
        """Whether there is more to be read."""
        return self.position < max(topic.told, self._known)

    def _fall_behind(self) -> None:
        if self._topic is not None:
            self._topic.leave(self)
            self._peer.queue(self)

    def _end(self, end: End) -> None:
        if self._topic is not None:
            self.stop()
            self._on_end(end)
