"""Ids of jobs: UUIDs of version 7 (RFC 9562, section 5.7), which begin with the time.

So jobs that are accepted one after the other lie side by side in every index of their ids: what an accept writes does
not grow with the jobs that are kept.
"""

from datetime import datetime
from uuid import UUID

from gateway.domain.random_bytes import LENGTH, random_bytes

_RANDOM_BITS = 74


def new_job_id(now: datetime) -> str:
    """An id that no other job has, later ones greater; it tells the millisecond of `now` to whoever reads it."""
    milliseconds = int(now.timestamp() * 1000)
    random = int.from_bytes(random_bytes()) >> 8 * LENGTH - _RANDOM_BITS
    high, low = random >> 62, random & (1 << 62) - 1
    return str(UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low))
