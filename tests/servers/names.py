"""A small real name server that knows a few names and leaves every question about another one unanswered.

async with name_server({"photos.test": "127.0.0.2"}) as names, running_gateway(
    tmp_path / "data", *names.asked_by_all(tmp_path)
) as gateway: ...
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, field

from tests.free_ports import free_port

HOST = "127.0.0.1"
HEAD = struct.Struct("!HHHHHH")
TYPE_A = 1


@define(eq=False)
class NameServer(asyncio.DatagramProtocol):
    """Answers with IPv4 addresses alone; `unanswered` are the names that it was asked in vain."""

    addresses: Mapping[str, str]
    port: int
    unanswered: set[str] = field(factory=set)
    _transport: asyncio.DatagramTransport | None = None

    def asked_by_all(self, folder: Path) -> list[str]:
        """A command line that runs the rest of it where this is the system's only name server."""
        configuration = folder / "resolv.conf"
        configuration.write_text(f"nameserver {HOST}:{self.port}\n")
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        mount = f'mount --bind "{configuration}" /etc/resolv.conf && exec "$0" "$@"'
        return ["unshare", "--mount", *as_root, "sh", "-c", mount]

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _name_in(data)
        if name not in self.addresses:
            self.unanswered.add(name)
            return
        assert self._transport is not None
        self._transport.sendto(_answer(data[: end + 4], self.addresses[name]), addr)


@asynccontextmanager
async def name_server(addresses: Mapping[str, str] = {}) -> AsyncIterator[NameServer]:
    server = NameServer(addresses, free_port())
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(HOST, server.port))
    try:
        yield server
    finally:
        transport.close()


def _name_in(query: bytes) -> tuple[str, int]:
    """The name that is asked for (RFC 1035, section 4.1.2), in lower case, and where its type begins."""
    labels, place = [], HEAD.size
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode().lower())
        place += 1 + length
    return ".".join(labels), place + 1


def _answer(question: bytes, address: str) -> bytes:
    """One A record, valid for a minute; to a question for another type, that there is none."""
    number, *_ = HEAD.unpack_from(question)
    (kind,) = struct.unpack_from("!H", question, len(question) - 4)
    records = b""
    if kind == TYPE_A:
        records = struct.pack("!HHHIH", 0xC000 + HEAD.size, TYPE_A, 1, 60, 4) + socket.inet_aton(address)
    return HEAD.pack(number, 0x8180, 1, bool(records), 0, 0) + question[HEAD.size :] + records
