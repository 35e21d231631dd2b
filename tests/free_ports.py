"""Ports for servers that tests start, chosen so that nothing else takes them in between.

All lie below 32768: from there on Linux picks the near ends of outgoing connections. A port that was given out is
locked until this process ends, so that neither it nor any other run on this machine gets it meanwhile: a server may be
down for a while, or not up yet.
"""

import errno
import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FIRST, _END = 16_000, 32_000
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_LOCKS = Path(tempfile.gettempdir()) / f"gateway-tests-ports-{os.getuid()}"


def _candidates() -> Iterator[int]:
    start = random.randrange(_FIRST, _END)
    return itertools.chain(range(start, _END), range(_FIRST, start))


_next_ports = _candidates()
_locks = os.open(_LOCKS, os.O_RDWR | os.O_CREAT, 0o600)  # never closed: all its locks would go


def free_port() -> int:
    """A port on which nothing listens, on IPv4 or IPv6."""
    return next(port for port in _next_ports if _is_ours(port) and _is_free(port))


def _is_ours(port: int) -> bool:
    """From now on: the byte of that number is locked, and the kernel unlocks it when this process ends."""
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return False
    return True


def _is_free(port: int) -> bool:
    return all(
        _can_bind(family, host, port)
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))
    )


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as listener:
            listener.bind((host, port))
    except OSError as error:
        return error.errno in _NO_IPV6
    return True
