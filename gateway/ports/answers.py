"""First answers by idempotency key. An answer is committed with the job that it tells of (`JobStore.add`)."""

from datetime import datetime
from typing import Protocol

from gateway.domain.receipt import Answer
from gateway.errors import Conflict


class AlreadyAnswered(Conflict):
    """Another request with this idempotency key was answered meanwhile; nothing of this one was committed."""

    default_code = "already_answered"


class Answers(Protocol):
    """All methods raise Unavailable."""

    async def answer(self, key: str, *, now: datetime) -> Answer | None:
        """What was answered to that key, unless its time is over."""

    async def forget_answers(self, *, before: datetime, limit: int) -> int:
        """Forget those that expired first, before then, at most `limit`; returns how many. Raises NoRoom too."""
