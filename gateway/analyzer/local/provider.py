"""The local provider: works in a helper process, needs no network and no key."""

from attrs import define

from gateway.analyzer.local.describe import describe
from gateway.analyzer.local.settings import LocalSettings
from gateway.metadata import Metadata
from gateway.processes import HelperProcesses


@define(eq=False)
class LocalProvider:
    """A Provider."""

    _helpers: HelperProcesses
    _settings: LocalSettings
    _max_pixels: int
    _timeout_s: float
    name: str = "local"

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        return await self._helpers.run(
            describe, image, file_name, self._max_pixels, timeout_s=self._timeout_s
        )
