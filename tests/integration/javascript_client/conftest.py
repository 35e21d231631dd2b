"""A page of another origin than the gateway's, in which the JavaScript client runs."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.pictures import plain
from tests.servers.browser import Page, browser_page

FILES = {"a.jpg": plain("JPEG"), "b.png": plain("PNG")}
"""Chosen in the page's `<input type="file">`."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    async with browser_page(tmp_path_factory.mktemp("browser"), FILES) as page:
        yield page
