"""Ports for servers that tests start, chosen so that nothing else takes them in between.

All lie below 32768: from there on Linux picks the near ends of outgoing connections. Each worker of
pytest-xdist has a range of its own, and no port is given out twice in one process.
"""

import errno
import itertools
import os
import random
import socket
from collections.abc import Iterator

_FIRST, _END = 16_000, 32_000
_PER_WORKER = 2_000
_WORKERS = (_END - _FIRST) // _PER_WORKER
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def _candidates() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    first = _FIRST + worker * _PER_WORKER
    start = random.randrange(_PER_WORKER)
    return itertools.cycle(first + (start + step) % _PER_WORKER for step in range(_PER_WORKER))


_next_ports = _candidates()


def free_port() -> int:
    """A port on which nothing listens, on IPv4 or IPv6."""
    return next(port for port in itertools.islice(_next_ports, _PER_WORKER) if _is_free(port))


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
