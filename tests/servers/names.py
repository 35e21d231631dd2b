"""A small real name server that knows a few names and leaves every question about another one unanswered.

async with name_server({"photos.test": "127.0.0.2"}) as names, running_gateway(
    tmp_path / "data", *names.asked_by_all(tmp_path)
) as gateway: ...

It can do what hostile ones do: several addresses in one answer, aliases, and another answer the next time:

    {"two.test": ("127.0.0.1", "::1"), "alias.test": Alias("two.test"), "rebound.test": InTurn("127.0.0.2", "::1")}
"""

import asyncio
import os
import struct
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

from attrs import define, field, frozen

from tests.free_ports import free_port

HOST = "127.0.0.1"
HEAD = struct.Struct("!HHHHHH")
TYPE_A, TYPE_CNAME, TYPE_AAAA = 1, 5, 28
TTL_S = 0  # whoever keeps an answer for longer does so at its own risk


@frozen
class Alias:
    """A CNAME; what it stands for is told in the same answer, as resolvers do."""

    of: str


@frozen(init=False)
class InTurn:
    """Another answer each time, the last one from then on; counted for each type of question on its own."""

    answers: tuple["str | tuple[str, ...] | Alias", ...]

    def __init__(self, *answers: "str | tuple[str, ...] | Alias") -> None:
        self.__attrs_init__(answers)


Known = str | tuple[str, ...] | Alias | InTurn
"""An address, of either version, or several; a name that stands for another one; one after the other."""


@define(eq=False)
class NameServer(asyncio.DatagramProtocol):
    """`unanswered` are the names that it was asked in vain."""

    addresses: Mapping[str, Known]
    port: int
    unanswered: set[str] = field(factory=set)
    asked: Counter[tuple[str, int]] = field(factory=Counter)
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
        (kind,) = struct.unpack_from("!H", data, end)
        records = list(self._records(name, kind))
        assert self._transport is not None
        self._transport.sendto(_answer(data[: end + 4], records), addr)

    def _records(self, name: str, kind: int) -> Iterator[bytes]:
        known = self._next(name, kind)
        if isinstance(known, Alias):
            yield _record(name, TYPE_CNAME, _spelled(known.of))
            yield from self._records(known.of, kind)
            return
        for address in (known,) if isinstance(known, str) else known:
            ip = ip_address(address)
            if kind == (TYPE_A if ip.version == 4 else TYPE_AAAA):
                yield _record(name, kind, ip.packed)

    def _next(self, name: str, kind: int) -> str | tuple[str, ...] | Alias:
        known = self.addresses.get(name, ())
        if not isinstance(known, InTurn):
            return known
        turn = self.asked[name, kind]
        self.asked[name, kind] += 1
        return known.answers[min(turn, len(known.answers) - 1)]


@asynccontextmanager
async def name_server(addresses: Mapping[str, Known] = {}) -> AsyncIterator[NameServer]:
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


def _answer(question: bytes, records: list[bytes]) -> bytes:
    """To a question for a type that there is none of: that there is none."""
    number, *_ = HEAD.unpack_from(question)
    return HEAD.pack(number, 0x8180, 1, len(records), 0, 0) + question[HEAD.size :] + b"".join(records)


def _record(name: str, kind: int, data: bytes) -> bytes:
    return _spelled(name) + struct.pack("!HHIH", kind, 1, TTL_S, len(data)) + data


def _spelled(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
