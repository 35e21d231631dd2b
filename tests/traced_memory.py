"""How much memory Python allocates during a block, to the byte (tracemalloc); what was there before does not count."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define


@define
class TracedMemory:
    """Known once the block has ended."""

    held_bytes: int = 0
    """Still there at its end."""
    peak_bytes: int = 0


@contextmanager
def traced_memory() -> Iterator[TracedMemory]:
    """Tracing ends however the block does: else what later tests allocate beforehand would count as theirs."""
    traced = TracedMemory()
    tracemalloc.start()
    try:
        yield traced
        traced.held_bytes, traced.peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
