"""What one connection follows: what its client says is done and answered, one message after another.

Answers stand in the order of the messages, and before all that comes of them. A client that says much and reads little
is not listened to until it reads.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Final, Protocol

import structlog
from aiohttp import WSMessage, WSMsgType
from attrs import define, field

from gateway.api.live.audience import Audience, TooManySubscribers
from gateway.api.live.close_codes import BAD_MESSAGES, CRASHED, UNSUPPORTED_DATA, CloseCode
from gateway.api.live.websocket import server_messages
from gateway.api.live.websocket.client_messages import (
    ALL_JOBS,
    BadMessage,
    Subscribe,
    Unsubscribe,
    read_message,
)
from gateway.api.live.websocket.socket import Socket
from gateway.api.live.websocket.wires import WebSocketWire
from gateway.api.parameters import job_id_in
from gateway.context import AppContext
from gateway.errors import Conflict, GatewayError, NotFound, TooMany
from gateway.events.board.board import Board
from gateway.events.board.follower import BoardFollower
from gateway.events.follower import End, Follower
from gateway.events.peer import Peer, PeerLeft
from gateway.ports.job_store import JobNotFound

log = structlog.get_logger(__name__)

MOST_BAD_MESSAGES: Final = 20
"""In a row."""
_UNAVAILABLE: Final = "unavailable"


class AlreadySubscribed(Conflict):
    """A job is followed once by a connection."""

    default_code = "already_subscribed"


class NotSubscribed(NotFound):
    """What is not followed can't be left."""

    default_code = "not_subscribed"


class TooManySubscriptions(TooMany):
    """The connection, or the job, has no place for one more."""

    default_code = "too_many_subscriptions"


class Following(Protocol):
    """One subscription."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@define(eq=False, repr=False)
class Answers:
    """What is said to the client, in its order: at once, or as soon as there is room."""

    _peer: Peer
    _unsaid: deque[bytes] = field(factory=deque)

    def say(self, message: bytes) -> None:
        if self._unsaid or not self._peer.write_now(message):
            if not self._unsaid:
                self._peer.queue(self)
            self._unsaid.append(message)

    async def all_said(self) -> None:
        """Wait until there is room, and say the rest, which may stand behind what is read slowly. Raises PeerLeft."""
        await self._peer.room()
        self._say_unsaid()

    async def catch_up(self) -> bool:
        """See Queued."""
        self._say_unsaid()
        return False

    def _say_unsaid(self) -> None:
        while self._unsaid:
            self._peer.write(self._unsaid.popleft())


@define(eq=False, repr=False)
class Subscriptions:
    """Those of one connection: at most `max_jobs`, each with a place among those of its job."""

    _context: AppContext
    _audience: Audience
    _wire: WebSocketWire
    _board: Board
    _socket: Socket
    _answers: Answers = field(init=False)
    _followed: dict[str, Following] = field(init=False, factory=dict)
    _bad_in_a_row: int = field(init=False, default=0)
    _is_over: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._answers = Answers(self._socket.peer)

    async def hear(self, message: WSMessage) -> None:
        """Do what is said, once all answers so far are on their way."""
        # Many messages that came at once hold up nobody else.
        await asyncio.sleep(0)
        try:
            await self._answers.all_said()
        except PeerLeft:
            return
        if self._is_over:
            return
        if message.type is not WSMsgType.TEXT:
            self._leave(UNSUPPORTED_DATA)
            return
        try:
            await self._answer(message.data)
        except Exception:
            log.exception("a subscription crashed")
            self._leave(CRASHED)

    def stop(self) -> None:
        """Follow nothing any more."""
        for job_id in tuple(self._followed):
            self._drop(job_id).stop()

    async def _answer(self, said: str) -> None:
        try:
            message = read_message(said)
        except BadMessage as bad:
            self._refuse_bad(bad)
            return
        self._bad_in_a_row = 0
        try:
            if isinstance(message, Subscribe):
                await self._subscribe(message)
            else:
                self._unsubscribe(message)
        except GatewayError as error:
            self._refuse(_code_of(error), error.text, message.job_id)

    def _refuse_bad(self, bad: BadMessage) -> None:
        self._refuse(bad.code, bad.text, bad.job_id)
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= MOST_BAD_MESSAGES:
            self._leave(BAD_MESSAGES)

    async def _subscribe(self, message: Subscribe) -> None:
        job_id = ALL_JOBS if message.job_id == ALL_JOBS else job_id_in(message.job_id)
        if job_id in self._followed:
            raise AlreadySubscribed("This connection follows that already.")
        most = self._audience.settings.max_jobs
        if len(self._followed) >= most:
            raise TooManySubscriptions(f"This connection follows {most} jobs, and may not follow more.")
        if job_id == ALL_JOBS:
            follower: Following = self._board_follower(message)
        else:
            await self._context.latest.get(job_id)
            self._take_place(job_id)
            follower = self._job_follower(job_id, message)
        self._followed[job_id] = follower
        self._answers.say(server_messages.subscribed(job_id, self._audience.settings.heartbeat_s))
        follower.start()

    def _unsubscribe(self, message: Unsubscribe) -> None:
        job_id = message.job_id.lower()
        if job_id not in self._followed:
            raise NotSubscribed("This connection does not follow that.")
        self._drop(job_id).stop()
        self._answers.say(server_messages.unsubscribed(job_id))

    def _job_follower(self, job_id: str, message: Subscribe) -> Follower:
        return Follower(
            job_id,
            hub=self._context.hub,
            stream=self._context.stream,
            peer=self._socket.peer,
            wire=self._wire,
            on_end=partial(self._ended, job_id),
            after=message.after,
            with_images=message.images,
        )

    def _board_follower(self, message: Subscribe) -> BoardFollower:
        return BoardFollower(
            self._board, self._socket.peer, on_end=partial(self._ended, ALL_JOBS), after=message.after
        )

    def _take_place(self, job_id: str) -> None:
        try:
            self._audience.take_place_at(job_id)
        except TooManySubscribers as error:
            raise TooManySubscriptions(error.text) from None

    def _drop(self, job_id: str) -> Following:
        if job_id != ALL_JOBS:
            self._audience.give_back_place_at(job_id)
        return self._followed.pop(job_id)

    def _ended(self, job_id: str, end: End) -> None:
        """A subscription is over; that of a job that ended was told so by its last event."""
        self._drop(job_id)
        if end is End.DELETED:
            self._refuse(JobNotFound.default_code, "The job was deleted.", job_id)
        elif end is not End.COMPLETE:
            self._refuse(_UNAVAILABLE, "This can't be followed now. Subscribe again later.", job_id)

    def _refuse(self, code: str, text: str, job_id: str | None) -> None:
        self._answers.say(server_messages.refused(code, text, job_id))

    def _leave(self, close: CloseCode) -> None:
        self._is_over = True
        self._socket.leave(close)


def _code_of(error: GatewayError) -> str:
    known = isinstance(error, AlreadySubscribed | NotSubscribed | TooManySubscriptions | JobNotFound)
    return error.code if known else _UNAVAILABLE
