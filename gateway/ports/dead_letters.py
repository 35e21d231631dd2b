"""Dead letters of ours, kept beside the jobs. All methods raise Unavailable; writes raise NoRoom too.

What ends an attempt keeps its letter in the same transaction (`JobStore.update`), and what makes another attempt of it
takes it away in the same. One that was kept once is not kept again, also after it was taken away or deleted: its
message may come twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from gateway.domain.dead_letter import DeadLetter
from gateway.errors import NotFound


class DeadLetterNotFound(NotFound):
    """No such dead letter, or it was requeued or deleted."""

    default_code = "dead_letter_not_found"


@frozen
class DeadLetterPage:
    """Newest first; `total` counts all; `next_cursor` is None on the last page."""

    letters: Sequence[DeadLetter]
    total: int
    next_cursor: str | None = None


class DeadLetterStore(Protocol):
    async def keep_letter(self, letter: DeadLetter) -> None:
        """Keep one whose job is gone; one that was kept before is fine."""

    async def letter(self, dead_letter_id: str) -> DeadLetter:
        """Raises DeadLetterNotFound."""

    async def letters(self, *, limit: int, cursor: str | None = None) -> DeadLetterPage:
        """A page of them, newest first. Raises BadCursor."""

    async def delete_letter(self, dead_letter_id: str) -> None:
        """Raises DeadLetterNotFound."""

    async def delete_letters(self) -> int:
        """All of them; returns how many."""

    async def forget_letters(self, *, before: datetime) -> int:
        """Forget those without a job that came before then; returns how many. A job's go with it."""
