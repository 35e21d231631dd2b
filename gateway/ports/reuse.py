"""Analysed images whose tagged copies other images name too. All methods raise Unavailable.

Which jobs name a tagged copy of another job's image is committed with the image that reuses it (`JobStore.add`,
`JobStore.update`), and holds until that job is deleted.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed
from gateway.errors import Conflict


class SourceGone(Conflict):
    """The job of an image that is to be reused is about to be removed, or gone; nothing was committed."""

    default_code = "source_gone"


class AnalysedImages(Protocol):
    async def find_analysed(self, sha256s: Collection[str], options: BatchOptions) -> Mapping[str, Analysed]:
        """Of each of these originals, the newest image that was analysed with just these options and is completed.

        Those that have none are missing, as may be those that were analysed with other options many times since.
        An image that was itself reused is none.
        """

    async def withdraw(self, job_ids: Sequence[str]) -> frozenset[str]:
        """From now on no image of these jobs is reused. Returns the keys of their tagged copies that must stay.

        Those are named by other jobs that are neither withdrawn nor retired. It needs no room on a full disk, and
        holds for as long as the store is open.
        """

    async def is_shared(self, processed_path: str) -> bool:
        """Whether kept jobs name a tagged copy of another job's image there."""
