"""A page of another origin than the gateway's, in which the JavaScript client runs; gateways, and photos on a site."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.pictures import plain
from tests.servers.browser import Page, browser_page
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.web import Site, held, image, web_server

JPEG = plain("JPEG")
FILES = {"a.jpg": JPEG, "b.png": plain("PNG")}
"""Chosen in the page's `<input type="file">`."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    async with browser_page(tmp_path_factory.mktemp("browser"), FILES) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="package")
async def quiet(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """A gateway without services."""
    async with quiet_gateway(tmp_path) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="package")
async def may_go() -> asyncio.Event:
    """Set, the site answers for b.jpg and c.jpg."""
    return asyncio.Event()


@pytest_asyncio.fixture(loop_scope="package")
async def site(may_go: asyncio.Event) -> AsyncIterator[Site]:
    late = held(may_go, image(JPEG, "image/jpeg"))
    pages = {"/a.jpg": image(JPEG, "image/jpeg"), "/b.jpg": late, "/c.jpg": late}
    async with web_server(pages) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="package")
async def gateway(site: Site, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
    ) as gateway:
        yield gateway
