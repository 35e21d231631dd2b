"""The providers that a deployment has chosen, asked one after the other until one finds words."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from attrs import frozen

from gateway.analyzer.local.provider import LocalProvider
from gateway.analyzer.local.settings import LocalSettings
from gateway.analyzer.provider import AnalysisFailed, Provider
from gateway.analyzer.settings import AnalyzerSettings
from gateway.analyzer.vision.settings import VisionSettings
from gateway.metadata import Metadata
from gateway.processes import HelperDied, HelperProcesses, HelperTimeout

log = structlog.get_logger(__name__)


@frozen(eq=False)
class Chain:
    """One provider or more."""

    providers: Sequence[Provider]

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        """The words of the first that finds some. Raises what the last one raises."""
        *others, last = self.providers
        for provider in others:
            try:
                return await provider.describe(image, file_name)
            except (AnalysisFailed, HelperDied, HelperTimeout) as error:
                log.warning(
                    "provider failed, the next one is asked", provider=provider.name, reason=str(error)
                )
        return await last.describe(image, file_name)


def chosen_providers(analyzer: AnalyzerSettings, vision: VisionSettings) -> Sequence[str]:
    """Their names, in turn."""
    return analyzer.providers or (("vision",) if vision.api_key else ("local",))


@asynccontextmanager
async def open_chain(
    analyzer: AnalyzerSettings,
    vision: VisionSettings,
    local: LocalSettings,
    helpers: HelperProcesses,
    max_pixels: int,
) -> AsyncIterator[Chain]:
    """The chain that the settings say."""
    providers: dict[str, Provider] = {"local": LocalProvider(helpers, local, max_pixels, analyzer.timeout_s)}
    yield Chain([providers[name] for name in chosen_providers(analyzer, vision)])
