"""The services that a gateway in production may work with: our own workers, or stand-ins for the existing ones."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tests.chaos.battle import MOST_OPEN_IMAGES
from tests.servers.system import Make


@frozen
class Beside:
    """Analyzer and processor of one make, and how many images may be open before them."""

    make: Make
    most_open_images: int
    options: Mapping[str, Any]
    """Of `production_world`."""


BESIDE_OURS = Beside("ours", MOST_OPEN_IMAGES, {})
BESIDE_EXISTING = Beside(
    "existing",
    most_open_images=8,  # exiftool takes a third of a second for each
    options={
        "analyzer": "existing",
        "processor": "existing",
        # Slower than the processor, so that images lie before and in both.
        "analyzer_variables": {"ANALYSIS_S": "0.4", "WORKER_CONCURRENCY": "1"},
    },
)
