"""All who follow jobs now, over whatever door: how many there may be, their signs of life, and how they are sent away.

Signs of life are given in turns, so that they are spread in time whenever the subscribers came.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Literal, Protocol

import structlog
from aiohttp import web
from attrs import define, field

from gateway.api.live.close_codes import CRASHED, LEAVING, CloseCode
from gateway.api.metrics import WAITS
from gateway.errors import TooMany, Unavailable
from gateway.events.settings import SubscriberSettings
from gateway.telemetry.metrics import SubscriberMetrics

log = structlog.get_logger(__name__)

LEAVE_S: Final = 2.0
"""How long a subscriber may take to answer a goodbye; then it is cut off."""
LEFT_S: Final = LEAVE_S + 0.4
"""How long a stop of the gateway waits until all have left; who has not by then is a request in hand as others are."""
_TURNS: Final = 100
"""Each member has one of them; a sign of life is given in it."""
_ROUND: Final = 0.9
"""Of `heartbeat_s`, from one sign of life of a member to its next.

The rest is for timers that come late, so that nobody waits longer than was said. By the default of 20 s a client that
dies right after an answer has the next three signs of life 18, 36 and 54 s later. At the second and the third nothing
was heard since the one before; at the third it is sent away, and after LEAVE_S it is cut off: 56 s, of 60.
"""

Door = Literal["websocket", "many", "events", "results", "poll", "submit"]
"""By which somebody comes to follow; as the metrics name it."""


class TooManySubscribers(TooMany):
    """There is no place for one more."""

    default_code = "too_many_subscribers"


class Member(Protocol):
    """One connection that follows."""

    def beat(self, now: float) -> None:
        """Give a sign of life, or cut it off if it has given none."""

    def leave(self, close: CloseCode) -> None:
        """Begin to say goodbye."""


def no_sign_of_life() -> None:
    """Of a member that has none to give."""


@define(eq=False)
class Held:
    """Something that was taken, and is given back at the end of a `with`.

    No generator, for thousands wait within it, and each would keep a frame.
    """

    _give_back: Callable[[], None]

    def __enter__(self) -> None:
        """It was taken already."""

    def __exit__(self, *_: object) -> None:
        self._give_back()


@define(eq=False)
class Audience:
    """The places, and who is there."""

    settings: SubscriberSettings
    _stopping: asyncio.Event
    _metrics: SubscriberMetrics
    _connections: int = field(init=False, default=0)
    _by_job: Counter[str] = field(init=False, factory=Counter)
    _by_address: Counter[str] = field(init=False, factory=Counter)
    _turns: "list[dict[Member, None]]" = field(init=False, factory=lambda: [{} for _ in range(_TURNS)])
    _members: int = field(init=False, default=0)
    _all_left: asyncio.Event = field(init=False, factory=asyncio.Event)
    _turn: int = field(init=False, default=0)
    _turn_due: float = field(init=False, default=0.0)
    """By the loop's clock."""
    _next_turn: asyncio.TimerHandle | None = field(init=False, default=None)

    def place(self, request: web.Request, door: Door, job_id: str | None = None) -> Held:
        """A place for who asks, of those of the job if it is one. Raises TooManySubscribers, Unavailable at a stop."""
        if self._stopping.is_set():
            raise Unavailable("The gateway is stopping.", code="stopping")
        address = request.remote or ""
        self._check(job_id, address)
        request[WAITS] = True
        self._count(door, job_id, address, 1)
        return Held(partial(self._count, door, job_id, address, -1))

    def place_at(self, job_id: str) -> Held:
        """One of the job's, for who has a place already and knows only now at which job. Raises TooManySubscribers."""
        self.take_place_at(job_id)
        return Held(partial(self.give_back_place_at, job_id))

    def take_place_at(self, job_id: str) -> None:
        """For who follows one job more over a connection that has its place already. Raises TooManySubscribers."""
        self._check_job(job_id)
        _add(self._by_job, job_id, 1)

    def give_back_place_at(self, job_id: str) -> None:
        _add(self._by_job, job_id, -1)

    def with_member(self, member: Member) -> Held:
        """Among those who are given signs of life, and are sent away at a stop."""
        # Spread, and not before half a round: until then there is news enough in the opening.
        turns_from_now = random.randint(_TURNS // 2, _TURNS)  # noqa: S311 - spreads them, keeps no secret
        turn = self._turns[(self._turn + turns_from_now) % _TURNS]
        turn[member] = None
        self._members += 1
        self._all_left.clear()
        if self._next_turn is None:
            self._plan()
        if self._stopping.is_set():
            member.leave(LEAVING)
        return Held(partial(self._forget, turn, member))

    async def leave_all(self, _application: web.Application) -> None:
        """Send everybody away, all at the same time, for the gateway stops; who does not answer is cut off."""
        if self._next_turn is not None:
            self._next_turn.cancel()
        if not self._members:
            return
        for member in [member for turn in self._turns for member in turn]:
            member.leave(LEAVING)
        with suppress(TimeoutError):
            async with asyncio.timeout(LEFT_S):
                await self._all_left.wait()

    def _forget(self, turn: dict[Member, None], member: Member) -> None:
        del turn[member]
        self._members -= 1
        if not self._members:
            self._all_left.set()

    def _check(self, job_id: str | None, address: str) -> None:
        settings = self.settings
        if self._connections >= settings.max_connections:
            raise self._refusal("gateway", "Too many follow jobs of this gateway.")
        if job_id is not None:
            self._check_job(job_id)
        if address and self._by_address[address] >= settings.max_per_address:
            raise self._refusal("address", "Too many follow jobs from this address.")

    def _check_job(self, job_id: str) -> None:
        if self._by_job[job_id] >= self.settings.max_per_job:
            raise self._refusal("job", "Too many follow this job.")

    def _refusal(self, bound: str, text: str) -> TooManySubscribers:
        self._metrics.refused.of(bound=bound).add()
        return TooManySubscribers(text)

    def _count(self, door: Door, job_id: str | None, address: str, one: int) -> None:
        self._connections += one
        self._metrics.places.of(door=door).add(one)
        if job_id:
            _add(self._by_job, job_id, one)
        if address:
            _add(self._by_address, address, one)

    def _plan(self) -> None:
        """The next turn. Timers come a little late, which must not add up; a long delay is not made up for."""
        turn_s, loop = _ROUND * self.settings.heartbeat_s / _TURNS, asyncio.get_running_loop()
        self._turn_due = max(self._turn_due + turn_s, loop.time() + turn_s / 2)
        self._next_turn = loop.call_at(self._turn_due, self._beat)

    def _beat(self) -> None:
        self._next_turn = None
        if self._connections:
            self._plan()
        self._turn = (self._turn + 1) % _TURNS
        now = asyncio.get_running_loop().time()
        for member in tuple(self._turns[self._turn]):
            try:
                member.beat(now)
            except Exception:
                # It is sent away alone: the others of this turn are to hear of us as well.
                log.exception("a subscription crashed")
                member.leave(CRASHED)


def _add(counter: Counter[str], key: str, one: int) -> None:
    counter[key] += one
    if not counter[key]:
        del counter[key]
