"""A small TCP proxy before a real server, for the faults of a network: silence, cuts, refusals.

async with tcp_proxy(node.port) as proxy:
    proxy.freeze()          # on what is connected nothing passes any more, not even the end of a connection
    proxy.stall()           # on new connections neither
    proxy.flow()            # what was held back passes
    proxy.cut()             # every connection is reset
    await proxy.refuse()    # they are, and new ones are refused
    await proxy.listen()
    proxy.once_passed(b"text", proxy.freeze)    # as soon as the server has sent that
    proxy.hold_answers_to(b"text")  # the one connection on which a client sends that is frozen behind it
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

from attrs import define, field

from tests.free_ports import free_port

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024


@define(eq=False)
class TcpProxy:
    """Listens on `port` and connects to `target_port`."""

    target_port: int
    port: int = field(factory=free_port)
    accepted: int = 0
    bytes_from_clients: int = 0
    holds_back: bool = False
    """Whether something has come that may not pass."""
    _awaited: tuple[bytes, Callable[[], None]] | None = None
    _unanswered: bytes | None = None
    _server: asyncio.Server | None = None
    _is_stalled: bool = False
    _gates: set[asyncio.Event] = field(factory=set)
    _writers: set[asyncio.StreamWriter] = field(factory=set)
    _connections: set[asyncio.Task[None]] = field(factory=set)

    def freeze(self) -> None:
        for gate in self._gates:
            gate.clear()

    def stall(self) -> None:
        self._is_stalled = True
        self.freeze()

    def once_passed(self, text: bytes, then: Callable[[], None]) -> None:
        """Of what servers send; nothing that comes behind it passes before `then` was called."""
        self._awaited = text, then

    def hold_answers_to(self, text: bytes) -> None:
        """Until all flows again."""
        self._unanswered = text

    def flow(self) -> None:
        self._is_stalled, self._unanswered = False, None
        for gate in self._gates:
            gate.set()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def close(self) -> None:
        await self.refuse()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._gate() as gate, self._kept(writer):
            await gate.wait()
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(HOST, self.target_port)
                with self._kept(far_writer):
                    await asyncio.gather(
                        self._pump(
                            gate, reader, far_writer, self._count, partial(self._look_for_unanswered, gate)
                        ),
                        self._pump(gate, far_reader, writer, lambda _: None, self._look),
                    )

    async def _pump(
        self,
        gate: asyncio.Event,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        count: Callable[[int], None],
        look: Callable[[bytes], None],
    ) -> None:
        """One direction; its end, in whatever way, ends the other one too."""
        passed = b""
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                self.holds_back = self.holds_back or not gate.is_set()
                await gate.wait()
                count(len(chunk))
                writer.write(chunk)
                await writer.drain()
                passed = passed[-CHUNK_BYTES:] + chunk  # a text may come in pieces
                look(passed)
            await gate.wait()
        finally:
            writer.close()

    def _count(self, size: int) -> None:
        self.bytes_from_clients += size

    def _look(self, passed: bytes) -> None:
        if self._awaited is not None and self._awaited[0] in passed:
            (_, then), self._awaited = self._awaited, None
            then()

    def _look_for_unanswered(self, gate: asyncio.Event, passed: bytes) -> None:
        if self._unanswered is not None and self._unanswered in passed:
            gate.clear()

    @contextmanager
    def _gate(self) -> Iterator[asyncio.Event]:
        gate = asyncio.Event()
        if not self._is_stalled:
            gate.set()
        self._gates.add(gate)
        try:
            yield gate
        finally:
            self._gates.discard(gate)

    @contextmanager
    def _kept(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


@asynccontextmanager
async def tcp_proxy(target_port: int) -> AsyncIterator[TcpProxy]:
    """A proxy through which all flows at first."""
    proxy = TcpProxy(target_port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
