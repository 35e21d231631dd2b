"""Makes the sockets of downloads, and none for an address that may not be connected to.

The last word, after every spelling, look-up and redirect: it sees the very address that is connected to.
"""

import errno
import socket
from ipaddress import ip_address
from typing import Final

from aiohttp import AddrInfoType, SocketFactoryType

from gateway.fetch.addresses import AddressPolicy

RECEIVE_BUFFER: Final = 120 * 1024
"""Bytes, of which Linux makes twice as many: just less than uvloop reads at a time (256 kB).

What has come is parsed in one go: as bodies in chunks of one byte, or as interim answers, a megabyte a second. And
uvloop reads up to 32 times in a row from a socket that fills its buffer, so that one site held the event loop for
seconds, over and over. The price: no connection is faster than about this much for each round trip.
"""


class ForbiddenAddress(PermissionError):
    """One text for all: only equal errors of a name's several addresses are handed on as they are.

    It must be an OSError, or connecting to such a name ends in an IndexError.
    """

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "address not allowed")


def socket_factory(addresses: AddressPolicy) -> SocketFactoryType:
    """For `aiohttp.TCPConnector(socket_factory=...)`."""

    def socket_to(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, port, *_) = info
        if not addresses.permits(ip_address(host.partition("%")[0]), port):
            raise ForbiddenAddress
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return made

    return socket_to
