"""The providers that a deployment has chosen, asked one after the other until one finds words."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from attrs import frozen

from gateway.analyzer.chosen import chosen_providers
from gateway.analyzer.local.provider import LocalProvider
from gateway.analyzer.local.settings import LocalSettings
from gateway.analyzer.provider import AnalysisFailed, Provider
from gateway.analyzer.settings import AnalyzerSettings
from gateway.analyzer.vision.provider import Limits, VisionProvider
from gateway.analyzer.vision.settings import VisionSettings
from gateway.metadata import Metadata
from gateway.processes import HelperDied, HelperProcesses, HelperTimeout
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


@frozen(eq=False)
class Chain:
    """One provider or more."""

    providers: Sequence[Provider]

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        """The words of the first that finds some, else what the last one says or raises."""
        *others, last = self.providers
        for provider in others:
            try:
                words = await provider.describe(image, file_name)
            except (AnalysisFailed, HelperDied, HelperTimeout) as error:
                log.warning(
                    "provider failed, the next one is asked", provider=provider.name, reason=str(error)
                )
            else:
                if not words.is_empty:
                    return words
        return await last.describe(image, file_name)


@asynccontextmanager
async def open_chain(
    analyzer: AnalyzerSettings,
    vision: VisionSettings,
    local: LocalSettings,
    helpers: HelperProcesses,
    max_pixels: int,
    metrics: Metrics,
) -> AsyncIterator[Chain]:
    """The chain that the settings say. Raises CanNotStart."""
    limits = Limits(max_pixels, analyzer.timeout_s)
    names = chosen_providers(analyzer, vision)
    async with AsyncExitStack() as stack:
        providers: list[Provider] = []
        for name in names:
            if name == "vision":
                opened = VisionProvider.opened(vision, helpers, limits, metrics.vision)
                providers.append(await stack.enter_async_context(opened))
            else:
                providers.append(LocalProvider(helpers, local, max_pixels, analyzer.timeout_s))
        _tell(names, vision)
        yield Chain(providers)


def _tell(names: Sequence[str], vision: VisionSettings) -> None:
    """Who runs it should know whether pictures leave the machine."""
    if "vision" in names:
        log.info("providers", asked=list(names), pictures_go_to=vision.host, model=vision.model)
    else:
        log.info("providers", asked=list(names))
