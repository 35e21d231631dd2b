"""The pages work where a proxy shows the gateway below a path."""

from pathlib import Path

import pytest

from tests.integration.pages.visiting import Visitor
from tests.pictures import plain
from tests.servers.path_proxy import path_proxy
from tests.servers.quiet_gateway import QuietGateway

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_photos_are_sent_and_followed_there(
    quiet: QuietGateway, visitor: Visitor, tmp_path: Path
) -> None:
    photo = tmp_path / "harbour.jpg"
    photo.write_bytes(plain("JPEG"))
    async with path_proxy(quiet.port, "/photos") as port:
        site = f"http://127.0.0.1:{port}/photos/"
        await visitor.visit(site)
        await visitor.choose([photo])
        address = await visitor.arrive(f"{site}batches/")
        await visitor.until_text("#images", "harbour.jpg")
        await quiet.fail(address.rpartition("/")[2], 0)
        await visitor.until_text("#summary", "Done: 0 of 1 image tagged, 1 failed.")
        assert await visitor.complaints() == []
        await visitor.visit("about:blank")
