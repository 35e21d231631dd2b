"""The WebSocket on which many jobs are followed: what is said on it, and how its errors read."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Final

from attrs import define

from gateway.client.coming_back import ComingBack
from gateway.client.errors import Refused
from gateway.client.http import Http
from gateway.client.websocket import Frame, WebSocket

PATH: Final = "ws"
ALL_JOBS: Final = "*"
_STATUS: Final[Mapping[str, int]] = {"job_not_found": 404, "too_many_subscriptions": 429, "unavailable": 503}
"""What HTTP would say."""


@define(eq=False)
class Subscriptions:
    """An open connection."""

    _socket: WebSocket

    async def subscribe(self, job_id: str, after: str | None, *, images: bool = False) -> None:
        """It is answered by a frame `subscribed`, or by one that tells the error."""
        place = {"after": after} if after else {}
        wishes = {"images": True} if images else {}
        await self._socket.send({"type": "subscribe", "job_id": job_id, **place, **wishes})

    async def frames(self, coming_back: ComingBack) -> AsyncGenerator[Frame, None]:
        """All that comes; they end with Closed or Unreachable."""
        async with aclosing(self._socket.frames()) as frames:
            async for frame in frames:
                coming_back.answered()
                yield frame


@asynccontextmanager
async def subscriptions(http: Http) -> AsyncGenerator[Subscriptions, None]:
    """Raises Refused, also where an older gateway has no such door."""
    try:
        async with http.websocket(PATH, {}) as socket:
            yield Subscriptions(socket)
    except Refused as error:
        if error.status != 404 or error.code:
            raise
        raise Refused(404, "This gateway has no door for many jobs: it is older than this client.") from error


def refused(frame: Frame) -> Refused:
    """What a frame of type `error` tells."""
    code = str(frame.get("code", ""))
    return Refused(_STATUS.get(code, 400), str(frame.get("error") or code), code=code)
