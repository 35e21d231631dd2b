"""A page of another origin than the gateway's, in which the JavaScript client runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.pictures import plain
from tests.servers.browser import Page, browser_page
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

FILES = {"a.jpg": plain("JPEG"), "b.png": plain("PNG")}
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
