"""A gateway over HTTP and WebSocket: what it answers, and the many ways in which it does not, in our words."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

import aiohttp
from attrs import define, field
from yarl import URL

from gateway.client.errors import NoGateway, NotConnected, Refused, Unreachable
from gateway.client.websocket import CLOSE_S, PING_AFTER_S, WebSocket

T = TypeVar("T")

CONNECT_S = 10.0
NO_SUCH_DOOR = frozenset({404, 405, 501})
"""What other web servers say to our paths. A gateway says it too, but as a problem in JSON."""


@define(eq=False)
class Http:
    """An async context manager. Paths are those below `/api/v1/`, or begin with a slash.

    Everything raises Refused, Unreachable, NoGateway.
    """

    base_url: str
    silence_s: float
    _session: aiohttp.ClientSession | None = field(init=False, default=None)

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=self.silence_s)
        self._session = aiohttp.ClientSession(connector=self._connector(), timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @contextlib.asynccontextmanager
    async def answer(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer while its body comes."""
        with self._talking():
            async with self._open_session.request(method, self._url(path), **options) as response:
                if response.status >= 400:
                    problem = parsed(await response.text(errors="replace"))
                    if response.status in NO_SUCH_DOOR and not isinstance(problem, dict):
                        raise self.no_gateway(f": HTTP status {response.status}")
                    raise Refused.by(response.status, problem, response.headers)
                yield response

    async def json(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        """The object that answers."""
        async with self.answer(method, path, **options) as response:
            answer = parsed(await response.text())
        if not isinstance(answer, dict):
            raise self.no_gateway()
        return answer

    @contextlib.asynccontextmanager
    async def websocket(self, path: str, query: Mapping[str, str]) -> AsyncIterator[WebSocket]:
        """An open one, for as long as the context lasts."""
        with self._talking():
            try:
                socket = await self._open_session.ws_connect(
                    self._url(path).update_query(query),
                    heartbeat=PING_AFTER_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                    max_msg_size=0,
                )
            except aiohttp.WSServerHandshakeError as error:
                raise Refused.by(error.status, None, error.headers or {}) from error
        async with WebSocket(socket, self.address, self._talking).listening() as listening:
            yield listening

    def read(self, reader: Callable[[Mapping[str, Any]], T], answer: Any) -> T:
        """What the reader makes of JSON; of what no gateway says it makes none."""
        try:
            return reader(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.no_gateway() from error

    def no_gateway(self, why: str = "") -> NoGateway:
        """What answers is none."""
        return NoGateway(f"there is no gateway at {self.address}, but another server{why}")

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
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
            raise Unreachable(f"the gateway at {self.address} closed the connection") from None
        except aiohttp.ClientConnectorError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.os_error)
            raise NotConnected(f"no gateway answers at {self.address}: {reason}") from error
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Unreachable(f"the gateway at {self.address} does not answer: {_reason(error)}") from error

    @property
    def address(self) -> str:
        """`base_url` as it may be shown, for messages end in logs: without user and password."""
        return re.sub(r"^(https?://)[^/]*@", r"\1", self.base_url)

    def _url(self, path: str) -> URL:
        is_socket = self.base_url.startswith("unix:")
        base = "http://localhost" if is_socket else self.base_url.rstrip("/")
        return URL(base + (path if path.startswith("/") else f"/api/v1/{path}"))

    def _connector(self) -> aiohttp.BaseConnector:
        if self.base_url.startswith("unix:"):
            return aiohttp.UnixConnector(self.base_url.removeprefix("unix:").removeprefix("//"))
        # The system's own look-up knows names that DNS does not, such as `raspberrypi.local`.
        return aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())

    @property
    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("GatewayClient is used outside of its `async with`")
        return self._session


def parsed(text: str | bytes) -> Any:
    """Of JSON; None for what is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
