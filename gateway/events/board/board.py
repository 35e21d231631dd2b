"""The news of all jobs on their way to those who follow the list of them: written once, bursts joined, merged by job.

It costs a number for each change while nobody follows. Who comes back goes on where it stopped while the changes since
have their places; else it gets the list anew.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from attrs import define, field

from gateway.domain.events import Change, StreamPosition
from gateway.events.board.places import Place, Places
from gateway.events.latest import LatestJobs
from gateway.events.telling import Listener, Telling
from gateway.ports.job_store import JobNotFound, JobPage, JobStore, JobSummary

log = structlog.get_logger(__name__)

LISTED: Final = 50
"""Jobs of an opening, the newest."""
_NOBODY: Final = -2
"""A position at which no follower is."""
PIECE_CHANGES: Final = 64
"""That are written to a follower before it is looked whether it takes them."""


class BoardWire(Protocol):
    """Turns the news of all jobs into the bytes of one kind of door."""

    def opening(self, position: str, page: JobPage | None) -> bytes:
        """The first message; without a page where the follower goes on."""

    def changed(self, position: str, job: JobSummary) -> bytes:
        """How the job is now."""

    def deleted(self, position: str, job_id: str) -> bytes:
        """The job is no more."""


@define(eq=False)
class BoardPiece:
    """Messages of the changes after `before`, up to `last`."""

    messages: Sequence[bytes]
    before: int
    last: int
    data: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.data = b"".join(self.messages)


@define(eq=False)
class BoardOpening:
    """A list of the jobs, in which every change up to `seq` is."""

    seq: int
    message: bytes


@define(eq=False, repr=False)
class Board:
    """All jobs. `told` is the number of the newest change that all who keep up were told."""

    _latest: LatestJobs
    _store: JobStore
    _wire: BoardWire
    places: Places = field(factory=Places)
    epoch: str = field(factory=lambda: secrets.token_hex(8))
    told: int = 0
    _followers: set[Listener[BoardPiece]] = field(factory=set)
    _telling: Telling[BoardPiece] = field(init=False)
    _reading: asyncio.Lock = field(factory=asyncio.Lock)
    _opening: BoardOpening | None = None

    def __attrs_post_init__(self) -> None:
        self._telling = Telling(self._next_piece)

    def observe(self, change: Change) -> None:
        """Take a committed change, for the hub to call. Those without events change nothing in the list."""
        if change.events and self.places.change(change.job, keep_state=bool(self._followers)):
            self._plan()

    def forget(self, job_id: str) -> None:
        """The job was deleted, for the hub to call."""
        self.places.delete(job_id)
        self._plan()

    def seq_of(self, after: str | None) -> int | None:
        """The number of the change that `after` names; None where there is nothing to go on from."""
        position = StreamPosition.parse(after) if after else None
        if position is None or position.epoch != self.epoch or not self.has_all_after(position.seq):
            return None
        return position.seq

    def has_all_after(self, seq: int) -> bool:
        """Whether all changes after that one have their places."""
        return self.places.forgotten <= seq <= self.places.newest

    def enter(self, follower: Listener[BoardPiece]) -> None:
        """One more follows, and is behind."""
        if not self._followers:
            # Nobody was to be told of what came so far.
            self.told = self.places.newest
        self._followers.add(follower)

    def exit(self, follower: Listener[BoardPiece]) -> None:
        self._followers.discard(follower)
        self._telling.leave(follower)
        if not self._followers:
            self._telling.close()
            self.places.let_go(after=self.told)

    def join(self, follower: Listener[BoardPiece]) -> None:
        """It keeps up from now on."""
        self._telling.join(follower)

    def leave(self, follower: Listener[BoardPiece]) -> None:
        """It does not keep up any more."""
        self._telling.leave(follower)

    async def opening(self) -> BoardOpening:
        """The list as it is now. Who asks at the same time gets the same. Raises Unavailable."""
        wanted = self.places.newest
        async with self._reading:
            if self._opening is None or self._opening.seq < wanted:
                self._opening = await self._read_opening()
            return self._opening

    def going_on(self, seq: int) -> bytes:
        """The first message to one who goes on after that change."""
        return self._wire.opening(self._position(seq), None)

    async def piece(self, after: int) -> BoardPiece:
        """The next of what was told after that change, from memory where it is at hand. Raises Unavailable."""
        up_to = self.told
        found = self.places.after(after, up_to=up_to, limit=PIECE_CHANGES)
        last = found[-1].seq if len(found) == PIECE_CHANGES else up_to
        messages = []
        for place, seq in [(place, place.seq) for place in found]:
            if not place.is_known:
                await self._look(place, seq)
            # A job that changed meanwhile is told of later, in its new place.
            if place.seq == seq and place.is_known:
                messages.append(self._message(place))
        return BoardPiece(messages, after, last)

    async def _read_opening(self) -> BoardOpening:
        seq = self.places.newest
        page = await self._store.page(limit=LISTED)
        for job in page.jobs:
            self.places.see(job)
        return BoardOpening(seq, self._wire.opening(self._position(seq), page))

    async def _look(self, place: Place, seq: int) -> None:
        try:
            job = await self._latest.get(place.job_id)
        except JobNotFound:
            # That it was deleted is about to be announced.
            return
        self.places.see(JobSummary.of(job))
        if place.seq == seq and place.job_seq == job.seq:
            place.state = job

    def _plan(self) -> None:
        if self._followers:
            self._telling.plan()

    def _next_piece(self) -> BoardPiece | None:
        """What those who keep up are told next."""
        if self.told >= self.places.newest:
            return None
        # Who was told of nothing after what is forgotten now is to begin anew.
        before = max(self.told, self.places.forgotten)
        found = self.places.after(before, up_to=self.places.newest, limit=PIECE_CHANGES)
        self.told = found[-1].seq
        try:
            return BoardPiece([self._message(place) for place in found if place.is_known], before, self.told)
        except Exception:
            # It ends the subscriptions that come by it, each by itself, and not the telling of what comes after it.
            log.exception("a subscription crashed", job_id="*")
            return BoardPiece((), _NOBODY, self.told)

    def _message(self, place: Place) -> bytes:
        """Written once, for all who are told of that change."""
        if place.message is None:
            position, state = self._position(place.seq), place.state
            if place.is_deleted or state is None:
                place.message = self._wire.deleted(position, place.job_id)
            else:
                place.message = self._wire.changed(position, JobSummary.of(state))
            place.state = None
        return place.message

    def _position(self, seq: int) -> str:
        return str(StreamPosition(self.epoch, seq))
