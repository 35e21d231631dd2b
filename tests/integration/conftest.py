"""Gateways to test against: a quiet one, whose jobs stand still; and where a whole system of processes meets."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.s3 import S3Server, running_rclone
from tests.servers.system import Place


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """A gateway without services."""
    async with quiet_gateway(tmp_path) as gateway:
        yield gateway


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[S3Server]:
    """An object store that belongs to one test, and may be killed."""
    with running_rclone(tmp_path / "s3") as store:
        yield store


@pytest.fixture
def place(rabbitmq_url: str, own_store: S3Server) -> Place:
    """A broker and an object store with nothing in them."""
    return Place(rabbitmq_url, own_store)
