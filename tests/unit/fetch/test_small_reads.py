"""Sockets that give little at a time."""

import socket
from collections.abc import Iterator

import pytest

from gateway.fetch.small_reads import READ_BYTES, SmallReads

SENT = bytes(range(256)) * 400


@pytest.fixture
def receiving() -> Iterator[SmallReads]:
    """One that all of SENT waits at."""
    theirs, ours = socket.socketpair()
    with theirs, SmallReads(fileno=ours.detach()) as small:
        theirs.sendall(SENT)
        yield small


def test_a_read_gives_no_more_than_its_bound_and_the_next_one_goes_on(receiving: SmallReads) -> None:
    assert receiving.recv(1 << 18) == SENT[:READ_BYTES]
    assert receiving.recv(10) == SENT[READ_BYTES:][:10]


@pytest.mark.parametrize("asked", [0, 1 << 18])
def test_so_does_a_read_into_a_buffer(receiving: SmallReads, asked: int) -> None:
    buffer = bytearray(1 << 18)
    assert receiving.recv_into(buffer, asked) == READ_BYTES
    assert buffer[:READ_BYTES] == SENT[:READ_BYTES]
    assert receiving.recv_into(bytearray(10)) == 10
    assert receiving.recv_into(buffer, 3) == 3
