"""Sends a request again until it is answered for good: one with an idempotency key, which is done once all the same.

A gateway that is busy or away is waited for, and one that is still at work on an earlier try of it: as long as it says
(Retry-After), or else longer each time.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import define, field

from gateway.client.errors import ClientError, NotConnected, Refused, Unreachable

T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
TRY_AGAIN = frozenset({429, 502, 503, 504})
IN_FLIGHT = "request_in_flight"


async def until_answered(
    send: Callable[[], Awaitable[T]], patience_s: float, on_wait: Callable[[ClientError], None]
) -> T:
    """What it answers. Raises the last error once `patience_s` have passed since the first one, or would meanwhile.

    An Unreachable then says whether what was asked for may have been done.
    """
    patience, may_be_done = _Patience(patience_s), False
    while True:
        try:
            return await send()
        except (Refused, Unreachable) as error:
            may_be_done |= isinstance(error, Unreachable) and not isinstance(error, NotConnected)
            pause_s = patience.pause_after(error)
            if pause_s is None:
                if may_be_done and isinstance(error, Unreachable):
                    raise Unreachable(f"{error}; the batch may have been taken nevertheless") from error
                raise
            on_wait(error)
        await asyncio.sleep(pause_s)


def may_be_tried_again(error: Refused | Unreachable) -> bool:
    return not isinstance(error, Refused) or error.status in TRY_AGAIN or error.code == IN_FLIGHT


@define
class _Patience:
    """How long to wait before the next try, and when there is none."""

    _patience_s: float
    _pause_s: float = FIRST_PAUSE_S
    _ends_at: float | None = field(init=False, default=None)

    def pause_after(self, error: Refused | Unreachable) -> float | None:
        """Seconds; None: give up."""
        now = asyncio.get_running_loop().time()
        if self._ends_at is None:
            self._ends_at = now + self._patience_s
        pause_s = self._pause_s_after(error) * random.uniform(1.0, 1.5)  # noqa: S311 - spreads clients, keeps no secret
        return pause_s if may_be_tried_again(error) and now + pause_s <= self._ends_at else None

    def _pause_s_after(self, error: Refused | Unreachable) -> float:
        if isinstance(error, Refused) and error.retry_after_s is not None:
            return max(error.retry_after_s, FIRST_PAUSE_S)
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause_s
