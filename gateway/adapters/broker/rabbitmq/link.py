"""One connection to the broker, kept: made again whenever it ends, later and later as long as that fails.

aiormq itself never reconnects. Whoever uses a link takes `connection` anew each time, and lives with its end.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from typing import Final

import structlog
from aiohttp.abc import AbstractResolver
from aiormq import Connection
from aiormq.exceptions import AMQPError
from attrs import define, field

from gateway.adapters.broker.rabbitmq.address import Address
from gateway.adapters.broker.rabbitmq.channels import a_channel
from gateway.adapters.broker.rabbitmq.errors import ConnectionLost, losses_told, lost, reason_of
from gateway.adapters.broker.rabbitmq.questions import Questions
from gateway.adapters.broker.rabbitmq.transport import Transport
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.pacing import pause_after

log = structlog.get_logger(__name__)

ANSWER_S: Final = 5.0
"""The longest wait for the answer to one question."""
LOOK_S: Final = 0.25
"""How often a connection is looked at."""
CLOSE_S: Final = 1.5
"""The longest good-bye; then the connection is cut."""
_ABORTED_S: Final = 0.5
"""What aiormq may take to end its own tasks once its transport is gone."""
STOP_S: Final = CLOSE_S + 2 * _ABORTED_S
"""The longest wait for the end of all connections, at a stop."""
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_STABLE_S: Final = 30.0
"""A connection that stood so long was no failure: the next pause is short again."""


def is_blocked(connection: Connection) -> bool:
    """Whether the broker has said that it reads no more from it, for want of memory or disk.

    aiormq tells it by a wait alone: one that ends before it begins says no.
    """
    ready = connection.ready()
    try:
        ready.send(None)
    except StopIteration:
        return False
    ready.close()
    return True


@define(eq=False)
class Link:
    """A connection under a name that the broker's operators see."""

    name: str
    address: Address
    _resolver: AbstractResolver
    _settings: BrokerSettings
    _set_up: Callable[[Connection], Awaitable[None]]
    _on_reconnect: Callable[[], None]
    _silence_s: float
    """A connection that owes an answer and has given none for so long is dead, unless it is blocked."""
    _questions: Questions = field(init=False, factory=Questions)
    _connection: Connection | None = field(init=False, default=None)
    _transport: Transport | None = field(init=False, default=None)
    _up: asyncio.Event = field(init=False, factory=asyncio.Event)
    _established: int = field(init=False, default=0)
    _trouble: str = field(init=False, default="not connected yet")
    _is_told: bool = field(init=False, default=False)
    _is_over: bool = field(init=False, default=False)

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        try:
            while True:
                began = loop.time()
                await self._try_session()
                failures = 1 if loop.time() - began > _STABLE_S else failures + 1
                await asyncio.sleep(pause_after(failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S))
        finally:
            self._is_over = True
            self._trouble = "closed"
            self._up.set()

    async def connection(self) -> Connection:
        """The connection, once there is one. Raises ConnectionLost when the link is over."""
        while self._connection is None:
            if self._is_over:
                raise lost(self._trouble)
            await self._up.wait()
        return self._connection

    @property
    def standing(self) -> Connection | None:
        """The connection, if there is one now."""
        return self._connection

    def current(self) -> Connection:
        """The connection that stands now. Raises Unavailable."""
        if self._connection is None:
            raise Unavailable("The message broker can't be reached.", detail=self.trouble)
        return self._connection

    def transport_of(self, connection: Connection) -> Transport:
        """What the connection goes over. Raises ConnectionLost when it stands no more."""
        if connection is not self._connection or self._transport is None:
            raise lost(self._trouble)
        return self._transport

    @property
    def is_over(self) -> bool:
        """Whether it was stopped: there will be no other connection."""
        return self._is_over

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty when there is one."""
        return "" if self._connection is not None else self._trouble

    @contextmanager
    def question(self) -> Iterator[None]:
        """Around what waits for the broker, and has a deadline already."""
        with self._questions, losses_told():
            yield

    def waiting(self) -> AbstractContextManager[None]:
        """Around what waits for the broker likewise, and raises errors of ours alone."""
        return self._questions

    def while_blocked(self, again_and_again: Callable[[], None]) -> AbstractContextManager[None]:
        """That is called, within this context, each LOOK_S in which the broker reads nothing from the connection."""
        return self._questions.telling_excuses(again_and_again)

    @asynccontextmanager
    async def asking(self, within_s: float = ANSWER_S) -> AsyncIterator[None]:
        """Around what waits for the broker. Raises Unavailable if it does not answer or refuses, or if it is lost."""
        try:
            async with asyncio.timeout(within_s):
                with self.question():
                    yield
        except TimeoutError as error:
            raise Unavailable(
                "The message broker does not answer.", detail=f"no answer within {within_s:g} s"
            ) from error
        except AMQPError as error:
            raise Unavailable("The message broker refuses.", detail=reason_of(error)) from error

    def heard(self) -> None:
        """The broker has answered to a part of a question: it is alive, even if no answer comes to the rest."""
        self._questions.heard()

    def abort(self) -> None:
        """End the connection now: it hangs."""
        if self._transport is not None:
            self._transport.abort()

    async def _try_session(self) -> None:
        try:
            await self._session()
        except Exception as error:  # noqa: BLE001 the next attempt is the answer to all of them; none is silent
            self._tell_loss(error)

    async def _session(self) -> None:
        """One connection, from its making to its end. Raises whatever ended it."""
        settings = self._settings
        transport = Transport(self.address, self._resolver, settings.ca_file, settings.connect_timeout_s)
        connection = Connection(self.address.url_as(self.name), transport_factory=transport)
        try:
            await _connect(connection, transport, settings.connect_timeout_s)
            transport.agree(connection.connection_tune.frame_max)
            async with asyncio.timeout(settings.connect_timeout_s):
                with losses_told():
                    await self._set_up(connection)
            self._tell_success(connection, transport)
            await self._watch(connection)
        except asyncio.CancelledError:
            await _say_good_bye(connection)
            raise
        finally:
            self._up.clear()
            self._connection = self._transport = None
            await _cut(connection, transport)

    async def _watch(self, connection: Connection) -> None:
        """Raises ConnectionLost at its end, or when it owes an answer for too long."""
        closing = connection.closing
        while not closing.done():
            await asyncio.wait({closing}, timeout=LOOK_S)
            if is_blocked(connection):
                self._questions.excuse()
            elif self._questions.silent_s > self._silence_s and not await self._answers(connection):
                raise lost(f"it answered nothing for {self._silence_s:g} seconds")
        error = None if closing.cancelled() else closing.exception()
        raise lost(reason_of(error) if error else "closed")

    async def _answers(self, connection: Connection) -> bool:
        """Whether a silent connection is alive: an answer that nobody waited for any more is not noticed."""
        if self._questions.is_any_open:
            return False
        try:
            async with self.asking(), a_channel(connection):
                return True
        except Unavailable:
            return is_blocked(connection)

    def _tell_success(self, connection: Connection, transport: Transport) -> None:
        self._connection, self._transport = connection, transport
        self._questions.forget()
        self._established += 1
        self._is_told = False
        self._up.set()
        log.info("connected to the broker", connection=self.name, broker=str(self.address))
        if self._established > 1:
            self._on_reconnect()

    def _tell_loss(self, error: Exception) -> None:
        """One line for each loss, not one for each attempt; what was not foreseen comes with its traceback."""
        is_foreseen = isinstance(error, ConnectionLost | OSError)
        reason = reason_of(error) or "closed"
        self._trouble = reason
        if not self._is_told:
            log.warning(
                "no connection to the broker",
                connection=self.name,
                broker=str(self.address),
                reason=reason,
                exc_info=None if is_foreseen else error,
            )
        self._is_told = True


@asynccontextmanager
async def supervised(*links: Link) -> AsyncIterator[None]:
    """The links work as long as this lasts; they are stopped together."""
    tasks = {asyncio.create_task(link.run(), name=link.name) for link in links}
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        _, stubborn = await asyncio.wait(tasks, timeout=STOP_S)
        for task in stubborn:
            log.error("connection does not end", connection=task.get_name())


async def _connect(connection: Connection, transport: Transport, within_s: float) -> None:
    """aiormq has no limit of its own, and when cancelled it may wait for the other side's good-bye: cut it first."""
    dialling = asyncio.ensure_future(_dial(connection))
    try:
        done, _ = await asyncio.wait({dialling}, timeout=within_s)
        if not done:
            raise lost(f"no answer within {within_s:g} seconds")
        await dialling
    finally:
        if not dialling.done():
            transport.abort()
            dialling.cancel()
            await asyncio.wait({dialling}, timeout=_ABORTED_S)


async def _dial(connection: Connection) -> None:
    with losses_told():
        await connection.connect()


async def _say_good_bye(connection: Connection) -> None:
    with suppress(AMQPError, ConnectionLost, TimeoutError), losses_told():
        if connection.is_opened:
            await connection.close(timeout=CLOSE_S)


async def _cut(connection: Connection, transport: Transport) -> None:
    """End whatever still waits on it, at once."""
    transport.abort()
    if transport.was_open:
        await asyncio.wait({connection.closing}, timeout=_ABORTED_S)
        await asyncio.sleep(0)  # a task of aiormq's tells the end before its own
