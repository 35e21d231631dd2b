"""Random bytes of the system for ids, fetched ahead.

Whoever asks the system lets go of the interpreter's lock, and in a busy gateway the threads of the disk and of the job
store are after it: half a microsecond of work then takes the event loop 150.
"""

import os
from typing import Final

LENGTH: Final = 16
_AT_ONCE: Final = 256

_ready: list[bytes] = []
os.register_at_fork(after_in_child=_ready.clear)  # or parent and child would give the same


def random_bytes() -> bytes:
    """LENGTH bytes that nobody can guess, and that nobody else gets; in any thread."""
    while True:
        try:
            return _ready.pop()
        except IndexError:
            fetched = os.urandom(_AT_ONCE * LENGTH)
            _ready.extend([fetched[start : start + LENGTH] for start in range(0, len(fetched), LENGTH)])
