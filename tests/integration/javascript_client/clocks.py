"""The page's clock, turned faster, so that what takes a client seconds takes a test a fraction of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.servers.browser import Page

TIMES: Final = 8
_TURN: Final = f"""
window.ownClock = {{ now: performance.now, setTimeout: window.setTimeout, random: Math.random }};
performance.now = () => {TIMES} * ownClock.now.call(performance);
window.setTimeout = (call, ms, ...rest) => ownClock.setTimeout.call(window, call, ms / {TIMES}, ...rest);
Math.random = () => 0;
"""
_TURN_BACK: Final = """
performance.now = ownClock.now;
window.setTimeout = ownClock.setTimeout;
Math.random = ownClock.random;
"""


@asynccontextmanager
async def fast_clock(page: Page) -> AsyncIterator[None]:
    """Where nothing is drawn at random either: pauses are as short as may be."""
    await page.run(_TURN)
    try:
        yield
    finally:
        await page.run(_TURN_BACK)
