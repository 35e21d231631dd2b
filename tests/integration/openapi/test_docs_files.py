"""The page at /docs, and the files that it is made of, as they are sent."""

import io
import re

import pytest

from tests.servers.quiet_gateway import QuietGateway


async def test_the_docs_page_needs_no_foreign_host_and_no_inline_code(gateway: QuietGateway) -> None:
    async with gateway.http.get("/docs") as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    for link in links:
        assert link.startswith("/")
        async with gateway.http.get(link) as answer:
            assert answer.status == 200
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page)


@pytest.mark.parametrize("name", ["docs.js", "docs.css", "icon.svg"])
async def test_a_file_of_the_docs_page_is_sent_once_to_who_knows_it(gateway: QuietGateway, name: str) -> None:
    async with gateway.http.get(f"/docs/{name}") as answer:
        etag = answer.headers["ETag"]
    async with gateway.http.get(f"/docs/{name}", headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


@pytest.mark.parametrize("name", ["docs.js", "docs.css"])
async def test_its_files_name_no_foreign_host(gateway: QuietGateway, name: str) -> None:
    async with gateway.http.get(f"/docs/{name}") as answer:
        text = io.StringIO(await answer.text())
    assert not [line for line in text if "://" in line]
