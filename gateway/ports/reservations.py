"""What requests may have put into the object store, although no job has it yet. A write returns once it is durable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class Reservations(Protocol):
    """Trace ids under which originals may be put: committed before any is, ended by the job's commit.

    What is left of one after a crash, and past its deadline, is the cleaner's.
    """

    async def reserve(self, trace_ids: Sequence[str], *, deadline: datetime) -> None:
        """Commit that originals may be put under these; one that stands gets this deadline."""

    async def release(self, trace_ids: Sequence[str]) -> None:
        """End them: nothing lies under them any more. Ones that are not there are fine."""

    async def overdue(self, now: datetime, *, limit: int) -> Sequence[str]:
        """Those past their deadline, the most overdue first; claimed ones are."""

    async def claim(self, trace_ids: Sequence[str]) -> Sequence[str]:
        """Those that still stand; from now on no job can use them, so that their objects can be removed.

        One that a job's commit has ended meanwhile is not among them: its object is that job's.
        """
