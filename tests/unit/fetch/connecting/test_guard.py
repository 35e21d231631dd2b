"""The sockets of downloads."""

import socket
from contextlib import suppress

import pytest

from gateway.fetch.addresses import AddressPolicy
from gateway.fetch.connecting.guard import ForbiddenAddress, socket_factory

READ_BY_UVLOOP = 256_000
"""At a time, and again at once if so much was there."""


def socket_to(host: str, port: int, policy: AddressPolicy | None = None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    make = socket_factory(policy or AddressPolicy())
    return make((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)))


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 80), ("::1", 80), ("fe80::1%lo", 80), ("1.1.1.1", 22)]
)
def test_there_is_none_for_what_may_not_be_connected_to(host: str, port: int) -> None:
    with pytest.raises(ForbiddenAddress):
        socket_to(host, port)


def test_however_fast_a_site_sends_little_of_it_is_there_at_a_time() -> None:
    """The kernel would have a buffer grow to megabytes for one who reads all that is there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        policy = AddressPolicy(allowed_networks=(f"{host}/32",), allowed_ports=(port,))
        with socket_to(host, port, policy) as ours:
            ours.connect((host, port))
            site, _ = server.accept()
            with site:
                assert max(all_that_is_there(site, ours) for _ in range(300)) < READ_BY_UVLOOP


def all_that_is_there(site: socket.socket, ours: socket.socket) -> int:
    """Bytes, after the site has sent until no more went in."""
    site.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            site.send(bytes(1 << 20))
    return len(ours.recv(1 << 24))
