"""What must be gone at once, and not only when the collector of garbage comes."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Whatever goes meanwhile goes because nothing refers to it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
