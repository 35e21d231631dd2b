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
from gateway.client.pauses import FIRST_PAUSE_S, LONGEST_PAUSE_S

T = TypeVar("T")

OF_A_PROXY = frozenset({502, 504})
TRY_AGAIN = OF_A_PROXY | {429, 503}
IN_FLIGHT = "request_in_flight"


async def until_answered(
    send: Callable[[], Awaitable[T]], patience_s: float, on_wait: Callable[[ClientError], None]
) -> T:
    """What it answers. Raises the last error once `patience_s` have passed since the first one, or would meanwhile.

    Where some try may have been done, it says so.
    """
    patience, is_in_doubt = _Patience(patience_s), False
    while True:
        try:
            return await send()
        except (Refused, Unreachable) as error:
            is_in_doubt |= _may_be_done_after(error)
            pause_s = patience.pause_after(error)
            if pause_s is None:
                if is_in_doubt and may_be_tried_again(error):
                    raise _in_doubt(error) from error
                raise
            on_wait(error)
        await asyncio.sleep(pause_s)


def may_be_tried_again(error: Refused | Unreachable) -> bool:
    return not isinstance(error, Refused) or error.status in TRY_AGAIN or error.code == IN_FLIGHT


def _may_be_done_after(error: Refused | Unreachable) -> bool:
    """A proxy that gives up on the gateway knows no more than we do."""
    if isinstance(error, Refused):
        return error.status in OF_A_PROXY or error.code == IN_FLIGHT
    return not isinstance(error, NotConnected)


def _in_doubt(error: Refused | Unreachable) -> Refused | Unreachable:
    text = f"{str(error).rstrip('.')}; the batch may have been taken nevertheless"
    if isinstance(error, Refused):
        return Refused(
            error.status, text,
            code=error.code, retry_after_s=error.retry_after_s, by_proxy=error.by_proxy,
        )  # fmt: skip
    return Unreachable(text)


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
