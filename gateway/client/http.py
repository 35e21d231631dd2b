"""A gateway over HTTP and WebSocket: what it answers, and the many ways in which it does not, in our words."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final, Self, TypeVar

import aiohttp
from attrs import define, field

from gateway.client.address import Address
from gateway.client.errors import NoGateway, Unreachable
from gateway.client.failures import CONNECT_S, FAILURES, failure
from gateway.client.refusals import refusal
from gateway.client.websocket import CLOSE_S, PING_AFTER_S, WebSocket

T = TypeVar("T")

OPEN_S: Final = 5.0
"""Within which a connection for news opens: what lets none pass may never answer."""
UNBOUND: Final = 0.0
"""As the silence of an answer: whoever reads it minds it."""
AT_ONCE: Final = 100
"""Connections for questions that are answered at once; further ones wait for these to end."""
NO_LIMIT: Final = 0
"""For what waits for news: it ends nobody knows when, and nothing may have to wait for that."""


@define(eq=False)
class Http:
    """An async context manager. Paths are those below `/api/v1/`, or begin with a slash.

    Everything raises Refused, Unreachable, NoGateway.
    """

    address: Address
    silence_s: float
    _asking: aiohttp.ClientSession | None = field(init=False, default=None)
    _waiting: aiohttp.ClientSession | None = field(init=False, default=None)
    """For news."""
    _is_known: bool = field(init=False, default=False)
    """A gateway has answered there."""

    async def __aenter__(self) -> Self:
        self._asking, self._waiting = self._session(AT_ONCE), self._session(NO_LIMIT)
        return self

    async def __aexit__(self, *_: object) -> None:
        sessions, self._asking, self._waiting = (self._asking, self._waiting), None, None
        for session in sessions:
            if session is not None:
                await session.close()

    @property
    def open_s(self) -> float:
        """How long a connection for news may take to open."""
        return min(OPEN_S, self.silence_s)

    @contextlib.asynccontextmanager
    async def answer(
        self, method: str, path: str, *, silence_s: float | None = None, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer while its body comes.

        A GET goes where a redirect leads. What does something does not: it may become a GET there, and do nothing.
        `silence_s`, of one that waits for news: how long it may be silent meanwhile, or UNBOUND.
        """
        session = _entered(self._asking if silence_s is None else self._waiting)
        silence_s = self.silence_s if silence_s is None else silence_s
        with self.talking(silence_s):
            async with session.request(
                method,
                self.address.url(path),
                timeout=self.timeout(silence_s),
                **{"allow_redirects": method == "GET", **options},
            ) as response:
                yield response

    async def json(
        self, method: str, path: str, *, silence_s: float | None = None, **options: Any
    ) -> Mapping[str, Any]:
        """The object that answers."""
        async with self.answer(method, path, silence_s=silence_s, **options) as response:
            answer = parsed(await response.text(errors="replace"))
        if not isinstance(answer, dict):
            raise self.other_server()
        return answer

    @contextlib.asynccontextmanager
    async def websocket(self, path: str, query: Mapping[str, str]) -> AsyncIterator[WebSocket]:
        """An open one, for as long as the context lasts."""
        with self.talking(self.open_s):
            try:
                async with asyncio.timeout(self.open_s):
                    socket = await _entered(self._waiting).ws_connect(
                        self.address.url(path).update_query(query),
                        heartbeat=PING_AFTER_S,
                        timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                        max_msg_size=0,
                    )
            except aiohttp.WSServerHandshakeError as error:
                raise self.other_server(", which speaks no WebSocket") from error
        async with WebSocket(socket, self.address.shown, self.talking).listening() as listening:
            yield listening

    def read(self, reader: Callable[[Mapping[str, Any]], T], answer: Any) -> T:
        """What the reader makes of JSON; of what no gateway says it makes none."""
        try:
            told = reader(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NoGateway(self._other_server_there()) from error
        self._is_known = True
        return told

    def other_server(self, why: str = "") -> NoGateway | Unreachable:
        """What answers is no gateway. Where one has answered before, it is away, and this is what stands before it."""
        text = self._other_server_there(why)
        return Unreachable(text) if self._is_known else NoGateway(text)

    def _other_server_there(self, why: str = "") -> str:
        return f"there is no gateway at {self.address.shown}, but another server{why}"

    @contextlib.contextmanager
    def talking(self, silence_s: float) -> Iterator[None]:
        """aiohttp's ways to say that the connection failed become Unreachable.

        A bare CancelledError is one of them: it is no cancellation unless someone asked this task to stop.
        """
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        try:
            yield
        except asyncio.CancelledError:
            if task is None or task.cancelling() > before:
                raise
            raise Unreachable(f"the gateway at {self.address.shown} closed the connection") from None
        except FAILURES as error:
            raise failure(error, self.address.shown, silence_s) from error

    @staticmethod
    def timeout(silence_s: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=silence_s or None)

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Also that of a handshake, of which aiohttp itself would not tell why."""
        if response.status >= 300:
            told = parsed(await response.text(errors="replace"))
            refused = refusal(response.status, told, response.headers, self.address)
            raise refused or self.other_server(f": HTTP status {response.status}")

    def _session(self, at_once: int) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._connector(at_once),
            timeout=self.timeout(self.silence_s),
            raise_for_status=self._refuse,
        )

    def _connector(self, at_once: int) -> aiohttp.BaseConnector:
        if self.address.socket_path is not None:
            return aiohttp.UnixConnector(self.address.socket_path, limit=at_once)
        # The system's own look-up knows names that DNS does not, such as `raspberrypi.local`.
        return aiohttp.TCPConnector(limit=at_once, resolver=aiohttp.ThreadedResolver())


def _entered(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("GatewayClient is used outside of its `async with`")
    return session


def parsed(text: str | bytes) -> Any:
    """Of JSON; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
