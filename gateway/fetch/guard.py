"""Makes the sockets of downloads, and none for an address that may not be connected to.

The last word, after every spelling, look-up and redirect: it sees the very address that is connected to.
"""

import errno
import socket
from ipaddress import ip_address

from aiohttp import AddrInfoType, SocketFactoryType

from gateway.fetch.addresses import AddressPolicy
from gateway.fetch.small_reads import SmallReads


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
        return SmallReads(family, kind, protocol)

    return socket_to
