"""The pages, their files and the JavaScript client, as they are sent."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from yarl import URL

from gateway.settings import HttpSettings
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

pytestmark = pytest.mark.asyncio(loop_scope="package")

PAGES: Final = ("/", "/batches/550e8400-e29b-41d4-a716-446655440000", "/batches/<b>")
SCRIPTS: Final = ("batch.js", "batch_page.js", "home.js", "page.js", "thumbnails.js")
MEDIA_TYPES: Final = {
    "/": "text/html; charset=utf-8",
    "/batches/x": "text/html; charset=utf-8",
    "/static/pages.css": "text/css; charset=utf-8",
    "/static/batch.d.ts": "application/typescript; charset=utf-8",
    **{f"/static/{name}": "text/javascript; charset=utf-8" for name in SCRIPTS},
}
LINK: Final = re.compile(r'(?:src|href|from)[= ]"([^"]+)"')


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.mark.parametrize("address", MEDIA_TYPES)
async def test_each_says_what_it_is(gateway: QuietGateway, address: str) -> None:
    async with gateway.http.get(address) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, MEDIA_TYPES[address])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("address", MEDIA_TYPES)
async def test_each_is_sent_once_to_who_knows_it(gateway: QuietGateway, address: str) -> None:
    async with gateway.http.get(address) as answer:
        etag = answer.headers["ETag"]
    async with gateway.http.get(address, headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


@pytest.mark.parametrize("address", PAGES)
async def test_a_page_may_use_its_own_files_alone(gateway: QuietGateway, address: str) -> None:
    async with gateway.http.get(address) as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert policy.split("; ") == [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ]  # fmt: skip
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page)


@pytest.mark.parametrize("address", [*PAGES[:2], *(f"/static/{name}" for name in SCRIPTS)])
async def test_what_a_file_names_is_there_and_named_relative_to_it(
    gateway: QuietGateway, address: str
) -> None:
    async with gateway.http.get(address) as answer:
        links = LINK.findall(
            "\n".join(line for line in (await answer.text()).splitlines() if "https:" not in line)
        )
    for link in links:
        assert not link.startswith("/")
        async with gateway.http.get(URL(address).join(URL(link))) as answer:
            assert answer.status == 200, link


@pytest.mark.parametrize("name", SCRIPTS)
async def test_no_script_makes_markup_of_text(gateway: QuietGateway, name: str) -> None:
    async with gateway.http.get(f"/static/{name}") as answer:
        text = await answer.text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function", text
    )


@pytest.mark.parametrize("name", ["batch.js", "batch.d.ts"])
async def test_pages_of_other_origins_may_import_the_client(gateway: QuietGateway, name: str) -> None:
    async with gateway.http.get(f"/static/{name}", headers={"Origin": "https://example.com"}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_where_origins_are_listed_others_may_not(tmp_path: Path) -> None:
    http = HttpSettings(cors_origins=("https://example.com",))
    async with quiet_gateway(tmp_path, http=http) as gateway:
        async with gateway.http.get("/static/batch.js", headers={"Origin": "https://example.com"}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "https://example.com"
        async with gateway.http.get("/static/batch.js", headers={"Origin": "https://example.org"}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_head_tells_of_a_page_without_it(gateway: QuietGateway) -> None:
    async with gateway.http.head("/") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
