"""When a doer works again.

At once while there is work, else when a bell rings or after a pause; after foreseen trouble (a store or a broker
that is down) later and later, up to a bound. Trouble that was not foreseen is a bug and ends the doer.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from gateway.cancellation import is_being_cancelled
from gateway.errors import GatewayError

log = structlog.get_logger(__name__)

FIRST_PAUSE_S: Final = 0.4
LONGEST_PAUSE_S: Final = 10.0


async def keep_doing(
    name: str,
    run_once: Callable[[], Awaitable[None]],
    *,
    bell: asyncio.Event | None = None,
    pause_s: float = 0.0,
) -> None:
    """Repeat `run_once` until cancelled, waiting up to `pause_s` for the bell in between."""
    bell = bell or asyncio.Event()
    trouble = 0
    while True:
        bell.clear()
        try:
            await run_once()
            trouble = 0
        except GatewayError as error:
            if is_being_cancelled():  # and what was cancelled met trouble while it cleaned up
                raise asyncio.CancelledError from error
            trouble += 1
            log.warning("in trouble, will try again", service=name, reason=str(error), times=trouble)
            await asyncio.sleep(pause_after(trouble))
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await bell.wait()


def pause_after(
    failures: int, *, first_s: float = FIRST_PAUSE_S, longest_s: float = LONGEST_PAUSE_S
) -> float:
    """Seconds to wait after that many failures in a row: doubling, with jitter, so that many don't come in step."""
    longest = min(longest_s, first_s * 2 ** min(max(0, failures - 1), 20))
    return random.uniform(longest / 2, longest)  # noqa: S311 jitter, not a secret
