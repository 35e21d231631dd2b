"""The local provider: works in a helper process, needs no network and no key."""

import structlog
from attrs import define, field

from gateway.analyzer.local.describe import Described, describe
from gateway.analyzer.local.extras import EXTRAS, PLACE, SEE, Extra
from gateway.analyzer.local.settings import LocalSettings
from gateway.metadata import Metadata
from gateway.processes import HelperProcesses

log = structlog.get_logger(__name__)


@define(eq=False)
class LocalProvider:
    """A Provider. What needs an extra is done where that is installed; a missing one is told once, at the start."""

    _helpers: HelperProcesses
    _settings: LocalSettings
    _max_pixels: int
    _timeout_s: float
    name: str = "local"
    _parts: frozenset[str] = field(init=False)
    _told: set[str] = field(init=False, factory=set)

    @_parts.default
    def _those_wanted_and_installed(self) -> frozenset[str]:
        is_wanted = {SEE: self._settings.see, PLACE: self._settings.place}
        wanted = [extra for extra in EXTRAS if is_wanted[extra.part]]
        for extra in wanted:
            if not extra.is_installed:
                _tell_that_it_is_missing(extra)
        return frozenset(extra.part for extra in wanted if extra.is_installed)

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        described = await self._helpers.run(
            describe,
            image,
            file_name,
            self._max_pixels,
            self._settings.min_probability if SEE in self._parts else None,
            PLACE in self._parts,
            timeout_s=self._timeout_s,
        )
        self._tell(described)
        return described.metadata

    def _tell(self, described: Described) -> None:
        """What fails for one image fails for all: one line says so, not one an image."""
        for part in described.failed_parts.keys() - self._told:
            self._told.add(part)
            log.warning("part of the analysis failed", part=part, reason=described.failed_parts[part])
        if described.scores:
            log.debug("seen in the image", scores=described.scores)


def _tell_that_it_is_missing(extra: Extra) -> None:
    """No warning: to do without is a choice, and the setting makes it a silent one."""
    log.info(
        "extra not installed",
        extra=extra.name,
        not_said=extra.purpose,
        install=extra.install_command,
        silence=f"local.{extra.part} = false",
    )
