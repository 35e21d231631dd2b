"""Two sides of a comparison, measured in one run and by turns, so that a busy machine hurts both alike."""

import statistics
from collections.abc import Awaitable, Callable

Measurement = Callable[[], Awaitable[float]]


async def interleaved(ours: Measurement, reference: Measurement, *, rounds: int = 5) -> tuple[float, float]:
    """The medians of both sides over `rounds` turns, after one turn of warm-up that does not count.

    Each measurement does its work once and returns its figure: seconds, requests a second, bytes.
    """
    await ours()
    await reference()
    figures = [(await ours(), await reference()) for _ in range(rounds)]
    return statistics.median(own for own, _ in figures), statistics.median(other for _, other in figures)
