"""A gateway as operators start it, and a job that stands still until it is told to go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from attrs import define, field

from tests.pictures import plain
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.web import Request, image, web_server
from tests.submitting import submit_json
from tests.websocket.client import Socket, opened

_FOR_EVER_S = 3600


@define(eq=False)
class Standing:
    gateway: Gateway
    job_id: str
    _may_go_on: asyncio.Event = field(factory=asyncio.Event)

    @property
    def path(self) -> str:
        """Of its WebSocket."""
        return f"/api/v1/batch/{self.job_id}/ws"

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[Socket]:
        """By a subscriber that has heard how the job stands."""
        async with opened(self.gateway.port, self.path) as socket:
            await socket.message()
            yield socket

    @asynccontextmanager
    async def asked(self, early: bytes) -> AsyncIterator[Socket]:
        """By one that sends this right behind its handshake, without waiting for the answer."""
        async with opened(self.gateway.port, self.path, early) as socket:
            yield socket

    def go_on(self) -> None:
        """To its end: its picture can be downloaded."""
        self._may_go_on.set()


@asynccontextmanager
async def standing_job(data_dir: Path) -> AsyncIterator[Standing]:
    may_go_on = asyncio.Event()

    async def page(request: Request, writer: asyncio.StreamWriter) -> None:
        await may_go_on.wait()
        await image(plain("JPEG"), "image/jpeg")(request, writer)

    async with (
        web_server({"/picture.jpg": page}) as site,
        running_gateway(
            data_dir,
            fetch_allowed_networks=site.network,
            fetch_allowed_ports=site.port,
            fetch_read_timeout_s=_FOR_EVER_S,
            fetch_total_timeout_s=_FOR_EVER_S,
            local_see=False,
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        job_id = await submit_json(http, gateway.base_url, [{"url": site.url("/picture.jpg")}])
        yield Standing(gateway, job_id, may_go_on)
