"""What the other end of a connection has not taken yet: in the transport, and in the kernel behind it.

A transport alone does not show it: the kernel takes megabytes from it at once, and then nothing for minutes while a
slow client reads. Only Linux tells all of it (tcp(7)); elsewhere the transport has to do.
"""

import asyncio
import fcntl
import socket
import sys
import termios
from contextlib import suppress
from typing import Final

UNSENT_BYTES: Final = 48 * 1024
"""In the kernel, beyond what the network and the other end have room for: those who do not read hold little there.

More than the 32 KiB of the largest segment, over the loopback interface: else nothing goes behind one that waits.
"""

_INFO_BYTES: Final = 128
_ACKED_AT: Final = 120
"""Of tcpi_bytes_acked in struct tcp_info (linux/tcp.h), which only grows at its end."""


def keep_little_unsent(transport: asyncio.BaseTransport, unsent_bytes: int = UNSENT_BYTES) -> None:
    """Leave in the transport what the kernel could not send yet; with 0 it takes all, as it does by itself."""
    opened = _tcp_of(transport)
    if opened is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError, ValueError):  # it is gone already, of which its transport will tell
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent_bytes)


def untaken_bytes(transport: asyncio.WriteTransport) -> int:
    """That were written, and are not confirmed by the other end."""
    held = transport.get_write_buffer_size()
    opened = transport.get_extra_info("socket")
    if opened is None:
        return held
    try:
        queued: bytes = fcntl.ioctl(opened.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # no such question here, or it is closed
        return held
    return held + int.from_bytes(queued, sys.byteorder)


def taken_bytes(transport: asyncio.WriteTransport) -> int:
    """A number that grows whenever the other end takes some of what was written, while nothing more is written.

    Over TCP on Linux it counts what was confirmed, so there it grows whatever is written.
    """
    opened = _tcp_of(transport)
    if opened is None or sys.platform != "linux":
        return -untaken_bytes(transport)
    try:
        info: bytes = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except (OSError, ValueError):  # likewise; ValueError is uvloop's
        return 0
    return int.from_bytes(info[_ACKED_AT:_INFO_BYTES], sys.byteorder)


def _tcp_of(transport: asyncio.BaseTransport) -> socket.socket | None:
    opened: socket.socket | None = transport.get_extra_info("socket")
    is_tcp = opened is not None and opened.family in (socket.AF_INET, socket.AF_INET6)
    return opened if is_tcp else None
