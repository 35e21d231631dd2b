"""A batch's page goes on by itself when the gateway was killed and is there again.

Straight or through a proxy that lets no WebSocket through: nginx, as it is by default, drops the upgrade.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.integration.pages.visiting import Visitor
from tests.pictures import plain
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.nginx import plain_site, running_nginx
from tests.servers.web import held, image, web_server

pytestmark = pytest.mark.asyncio(loop_scope="package")

JPEG = plain("JPEG")
COUNT_ENDS = """
window.ends = {};
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const place of addedNodes) {
      if (place.dataset?.status === "completed") {
        const name = place.querySelector("h3").textContent;
        window.ends[name] = (window.ends[name] ?? 0) + 1;
      }
    }
  }
}).observe(document.querySelector("#images"), { childList: true });
"""


Way = Callable[[Gateway, Path], AbstractAsyncContextManager[int]]
"""On which port the gateway is reached."""


@asynccontextmanager
async def straight(gateway: Gateway, _: Path) -> AsyncIterator[int]:
    yield gateway.port


def without_websockets(gateway: Gateway, folder: Path) -> AbstractAsyncContextManager[int]:
    return running_nginx(folder, plain_site, behind=gateway.port)


@pytest.mark.parametrize("way", [straight, without_websockets])
async def test_each_image_is_shown_to_end_once(visitor: Visitor, tmp_path: Path, way: Way) -> None:
    may_go = asyncio.Event()
    late = held(may_go, image(JPEG, "image/jpeg"))
    pages = {"/a.jpg": image(JPEG, "image/jpeg"), "/b.jpg": late, "/c.jpg": late}
    async with (
        web_server(pages) as site,
        running_gateway(
            tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
        ) as gateway,
        way(gateway, tmp_path / "nginx") as port,
    ):
        job_id = await submitted(gateway, [site.url(f"/{name}.jpg") for name in "abc"])
        await visitor.visit(f"http://127.0.0.1:{port}/batches/{job_id}")
        await visitor.until_text("#summary", "1 of 3 images tagged, 2 to go.")
        await visitor.value(COUNT_ENDS)
        await gateway.kill()
        await visitor.until_text("#connection", "The connection is lost. Trying again.")
        may_go.set()
        await gateway.start()
        await visitor.until_text("#summary", "Done: 3 of 3 images tagged.")
        assert await visitor.value("window.ends") == {"b.jpg": 1, "c.jpg": 1}
        assert await visitor.text("#connection") == ""


async def submitted(gateway: Gateway, urls: list[str]) -> str:
    body = {"images": [{"url": url} for url in urls]}
    async with (
        aiohttp.ClientSession(gateway.base_url) as http,
        http.post("/api/v1/batch", json=body) as answer,
    ):
        job_id: str = (await answer.json())["job_id"]
    return job_id
