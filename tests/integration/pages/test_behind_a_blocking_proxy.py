"""A batch's page works where a proxy lets no WebSocket through, also over a kill of the gateway."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.pages.test_after_a_crash import COUNT_ENDS, JPEG, submitted
from tests.integration.pages.visiting import Visitor
from tests.servers.gateway import running_gateway
from tests.servers.nginx import plain_site, running_nginx
from tests.servers.web import held, image, web_server

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_each_image_is_shown_to_end_once(visitor: Visitor, tmp_path: Path) -> None:
    may_go = asyncio.Event()
    late = held(may_go, image(JPEG, "image/jpeg"))
    pages = {"/a.jpg": image(JPEG, "image/jpeg"), "/b.jpg": late, "/c.jpg": late}
    async with (
        web_server(pages) as site,
        running_gateway(
            tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
        ) as gateway,
        running_nginx(tmp_path / "nginx", plain_site, behind=gateway.port) as port,
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
