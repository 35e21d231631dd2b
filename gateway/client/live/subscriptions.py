"""The WebSocket on which many jobs are followed: what is said on it, and how its errors read."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from attrs import define

from gateway.client.errors import Refused
from gateway.client.http import Http
from gateway.client.live.doors.door import NoSuchDoor, is_absent
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
        position = {"after": after} if after else {}
        wishes = {"images": True} if images else {}
        await self._socket.send({"type": "subscribe", "job_id": job_id, **position, **wishes})

    async def frame(self, until: float | None = None) -> Frame | None:
        """The next that comes before that time of the loop's clock; else None. Raises Closed, Unreachable."""
        return await self._socket.frame(until)


@asynccontextmanager
async def subscriptions(http: Http) -> AsyncGenerator[Subscriptions, None]:
    """Raises NoSuchDoor for an older gateway."""
    async with AsyncExitStack() as stack:
        try:
            socket = await stack.enter_async_context(http.websocket(PATH, {}))
        except Refused as error:
            if is_absent(error):
                raise NoSuchDoor("many jobs") from error
            raise
        yield Subscriptions(socket)


def refused(frame: Frame) -> Refused:
    """What a frame of type `error` tells."""
    code = str(frame.get("code", ""))
    return Refused(_STATUS.get(code, 400), str(frame.get("error") or code), code=code)
