"""A gateway whose answers are held to its document: small bodies, no patience, one follower, a foreign page."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.events.settings import SubscriberSettings
from gateway.intake.settings import IntakeSettings
from gateway.settings import HttpSettings
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

LISTED = "https://app.example.com"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    intake = IntakeSettings(max_body_bytes=20_000, silence_s=1)
    async with quiet_gateway(
        tmp_path,
        intake=intake,
        http=HttpSettings(cors_origins=(LISTED,)),
        subscribers=SubscriberSettings(max_connections=1),
    ) as gateway:
        yield gateway
