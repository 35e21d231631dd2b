"""Who may do what only one may do at a time: a name, held by one until it is released or its time is over."""

from datetime import datetime
from typing import Protocol


class Leases(Protocol):
    """Holders that die hold nothing past their time. All methods raise Unavailable."""

    async def acquire_lease(self, name: str, *, holder: str, now: datetime, until: datetime) -> bool:
        """Whether the holder has it now, up to `until`; who has it already holds it longer."""

    async def release_lease(self, name: str, *, holder: str) -> None:
        """Let go of it; of one that is another's, or nobody's, nothing happens."""
