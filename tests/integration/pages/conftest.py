"""A browser in which pages are visited, and a gateway whose jobs stand still."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.pages.visiting import Visitor
from tests.servers.opened_page import opened_page
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

EMPTY = "data:text/html,"


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Visitor]:
    async with opened_page(tmp_path_factory.mktemp("browser"), EMPTY) as page:
        visitor = Visitor(page)
        await visitor.begin()
        yield visitor


@pytest_asyncio.fixture(loop_scope="package")
async def visitor(browser: Visitor) -> AsyncIterator[Visitor]:
    """At the end of the test no page may have done what its policy forbids, nor have thrown an error.

    Nor may it have asked anybody but the gateway for anything.
    """
    await browser.settle()
    browser.asked_hosts()
    yield browser
    assert await browser.complaints() == []
    assert browser.asked_hosts() <= {"127.0.0.1"}


@pytest_asyncio.fixture(loop_scope="package")
async def quiet(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path) as gateway:
        yield gateway
