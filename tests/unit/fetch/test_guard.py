"""The sockets of downloads."""

import socket

import pytest

from gateway.fetch.addresses import AddressPolicy
from gateway.fetch.guard import ForbiddenAddress, socket_factory
from gateway.fetch.small_reads import SmallReads


def socket_to(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket_factory(AddressPolicy())((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)))


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 80), ("::1", 80), ("fe80::1%lo", 80), ("1.1.1.1", 22)]
)
def test_there_is_none_for_what_may_not_be_connected_to(host: str, port: int) -> None:
    with pytest.raises(ForbiddenAddress):
        socket_to(host, port)


def test_it_gives_little_at_a_time() -> None:
    with socket_to("1.1.1.1", 80) as made:
        assert isinstance(made, SmallReads)
