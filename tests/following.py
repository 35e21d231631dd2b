"""Following a job over WebSocket, as a client does it."""

from typing import Any

import aiohttp
from attrs import frozen

Frame = dict[str, Any]


@frozen
class Followed:
    """All frames of one connection, and how it was closed."""

    frames: list[Frame]
    close_code: int | None

    @property
    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]


async def follow(http: aiohttp.ClientSession, base_url: str, job_id: str, after: str = "") -> Followed:
    """Until the gateway closes, or the connection breaks."""
    frames: list[Frame] = []
    query = {"after": after} if after else {}
    async with http.ws_connect(f"{base_url}/api/v1/batch/{job_id}/ws", params=query) as socket:
        frames.extend([message.json() async for message in socket])
        return Followed(frames, socket.close_code)
