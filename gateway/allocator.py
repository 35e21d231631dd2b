"""glibc's allocator, told to keep the memory that a body has gone through: the next piece of it wants as much.

Ground floor. Pieces of a body are some hundred kilobytes each, made and freed thousands of times a second. By default
glibc gives such memory back to the kernel as soon as it is free, and faults it in again page by page, each of them
cleared first, which takes longer than all else that reading a body takes. Elsewhere than in glibc nothing is done.
"""

import ctypes
import platform
from typing import Final

# mallopt(3); its names are numbers in malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

_SMALLEST_MAPPED_BYTES: Final = 4 * 1024**2
"""What is as large gets a mapping of its own: images that are held whole, which must not tear holes into the rest. A
parser of JSON takes eight times a piece for it, which must not be as large."""
_KEPT_BYTES: Final = 8 * 1024**2
"""Free memory at the end of an arena is kept up to that."""


def keep_freed_memory() -> None:
    """Of this process, from now on."""
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    # Either of them also turns off the growth of both with what is freed (mallopt(3), "dynamic mmap threshold").
    libc.mallopt(_M_MMAP_THRESHOLD, _SMALLEST_MAPPED_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
