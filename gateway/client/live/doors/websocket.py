"""The news of one job by its WebSocket."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from attrs import frozen

from gateway.client.answers import Event, read_event
from gateway.client.http import Http
from gateway.client.live.doors.door import EVENT_TYPES, wishes


@frozen(eq=False)
class WebSocketDoor:
    """See Door."""

    _http: Http
    _job_id: str

    async def events(
        self, position: str | None, *, images: bool, heard: Callable[[], None]
    ) -> AsyncGenerator[Event, None]:
        """A gateway that closes it says by the code whether to come back."""
        query = wishes(position, images=images)
        async with (
            self._http.websocket(f"batch/{self._job_id}/ws", query) as socket,
            aclosing(socket.frames()) as frames,
        ):
            async for frame in frames:
                heard()
                if frame.get("type") in EVENT_TYPES:
                    yield self._http.read(read_event, frame)
