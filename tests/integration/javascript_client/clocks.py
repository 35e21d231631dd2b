"""Chance and time as a page has them, in a test's hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.servers.browser import Page

TIMES: Final = 8

KEEP_TIMERS: Final = """
window.ownTimers = { setTimeout: window.setTimeout, clearTimeout: window.clearTimeout };
window.timers = new Map();
window.everyTimer = [];
window.setTimeout = (call, ms) => {
  const ring = () => {
    timers.delete(timer);
    call();
  };
  const timer = ownTimers.setTimeout.call(window, ring, ms);
  timers.set(timer, ms);
  everyTimer.push(ms);
  return timer;
};
window.clearTimeout = (timer) => {
  timers.delete(timer);
  ownTimers.clearTimeout.call(window, timer);
};
"""


@asynccontextmanager
async def timers_kept(page: Page) -> AsyncIterator[None]:
    """In `timers`, those that are set, and in `everyTimer` all that ever were, by how many milliseconds they take."""
    await page.run(KEEP_TIMERS)
    try:
        yield
    finally:
        await page.run("Object.assign(window, window.ownTimers);")


@asynccontextmanager
async def drawn(page: Page, number: float) -> AsyncIterator[None]:
    """What is drawn at random is that number: with 0 pauses are as short as may be, with a large one they never end."""
    await page.run(f"window.ownRandom = Math.random; Math.random = () => {number};")
    try:
        yield
    finally:
        await page.run("Math.random = window.ownRandom;")


@asynccontextmanager
async def fast_clock(page: Page, *, above_s: float = 0) -> AsyncIterator[None]:
    """What takes a client seconds takes a fraction of them: for what is awaited in vain, not for what is to come.

    What takes no longer than `above_s` takes its time.
    """
    await page.run(f"""
        window.ownClock = {{ now: performance.now, setTimeout: window.setTimeout }};
        performance.now = () => {TIMES} * ownClock.now.call(performance);
        window.setTimeout = (call, ms) =>
          ownClock.setTimeout.call(window, call, ms > {1000 * above_s} ? ms / {TIMES} : ms);
    """)
    try:
        yield
    finally:
        await page.run("performance.now = ownClock.now; window.setTimeout = ownClock.setTimeout;")
