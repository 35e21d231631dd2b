"""A gateway whose answers are held to its document: small bodies, no patience, one foreign page."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.intake.settings import IntakeSettings
from gateway.settings import HttpSettings
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

LISTED = "https://app.example.com"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    intake = IntakeSettings(max_body_bytes=20_000, silence_s=0.2)
    async with quiet_gateway(tmp_path, intake=intake, http=HttpSettings(cors_origins=(LISTED,))) as gateway:
        yield gateway
