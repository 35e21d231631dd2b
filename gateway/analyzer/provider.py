"""Who finds the words for an image: one of several, asked in turn."""

from typing import Protocol

from gateway.errors import ContentError
from gateway.metadata import Metadata


class AnalysisFailed(ContentError):
    """No words could be found for this image; `code` says why, as a stable word of the API."""

    default_code = "analysis_failed"


class Provider(Protocol):
    """Finds title, description and keywords."""

    @property
    def name(self) -> str:
        """`vision` or `local`."""

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        """The words for `image`, called `file_name` by who sent it; `writer` is the provider's name and version.

        Raises AnalysisFailed when there are none; what HelperProcesses.run raises.
        """
