"""Who brings images to the vision provider, what the model says of them, and what comes of that."""

import asyncio

import pytest
from attrs import define

from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.vision.provider import VisionProvider
from gateway.metadata import Metadata
from gateway.telemetry.instruments import Instruments
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.chat_completions import words

KEY = "odd.0123456789/abcdef"
MODEL = "openai/gpt-4o"
TIMEOUT_S = 60.0
SILENT_S = 0.2
CAT = words("A cat", "It sleeps.", ["cat", "sofa"])
OF_CAT = Metadata("A cat", "It sleeps.", ("cat", "sofa"), f"vision/{MODEL}")


@define(eq=False)
class Photographer:
    """Brings images to a provider, and looks at what is counted."""

    provider: VisionProvider
    instruments: Instruments

    async def words(self, image: bytes | None = None) -> Metadata:
        async with asyncio.timeout(PATIENCE_S):
            return await self.provider.describe(image or a_jpeg(), "ada-in-paris.jpg")

    async def failure(self, image: bytes | None = None) -> AnalysisFailed:
        with pytest.raises(AnalysisFailed) as caught:
            await self.words(image)
        return caught.value

    def counted(self, name: str, **labels: str) -> float:
        return self.instruments.registry.get_sample_value(f"gateway_vision_{name}", labels) or 0.0
