"""Many WebSocket subscribers in a process of their own: bare sockets and one buffer, for any library would be slower
than the server that it measures.

    with Worker(subscribe) as crowd:
        crowd.ask("connect", port, [path] * 1000, 1)  # each has its first text
        crowd.ask("expect", 8)  # each has got eight more

Pings are answered. A subscriber that loses its connection before it has got what is expected ends the process.
"""

import re
import select
import socket
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final

from attrs import define, field

from gateway import open_files
from tests.benchmarks.server_frames import CLOSE, KEY, PING, TEXT, ServerFrames, masked_frame

HOST: Final = "127.0.0.1"
FILES: Final = 20_000
PONG: Final = 0xA
_AT_ONCE: Final = 100
"""Connections that are made together: fewer than a server keeps waiting."""
_PATIENCE_S: Final = 30
_FINAL: Final = b'"type":"image_complete"'
_POSITION: Final = re.compile(rb'"id":"[0-9a-z]+:([0-9]+)"')
_INDEX: Final = re.compile(rb'"index":([0-9]+)')
_NO_CODE: Final = 1005
_CUT: Final = 1006


def subscribe(pipe: Connection) -> None:
    """Until the other end of the pipe is closed."""
    open_files.allow(FILES)
    Crowd(pipe).run()


@define(eq=False)
class Subscriber:
    """One connection."""

    number: int
    socket: socket.socket
    frames: ServerFrames = field(factory=ServerFrames)
    texts: int = 0
    close_code: int | None = None


@define(eq=False)
class Arrivals:
    """When each final state of an image came: the subscriber's number, the event's, and the time (monotonic)."""

    subscribers: "array[int]" = field(factory=lambda: array("l"))
    events: "array[int]" = field(factory=lambda: array("l"))
    times: "array[float]" = field(factory=lambda: array("d"))

    def add(self, subscriber: int, text: bytes, now: float) -> None:
        position = _POSITION.search(text) if text.startswith(_FINAL, 1) else None
        if position is not None:
            self.subscribers.append(subscriber)
            self.events.append(int(position[1]))
            self.times.append(now)


@define(eq=False)
class Finals:
    """Which images each subscriber has seen the end of."""

    seen: dict[int, set[int]] = field(factory=dict)

    def add(self, subscriber: int, text: bytes, _now: float) -> None:
        index = _INDEX.search(text) if text.startswith(_FINAL, 1) else None
        if index is not None:
            self.seen.setdefault(subscriber, set()).add(int(index[1]))


@define(eq=False)
class Crowd:
    """All subscribers of this process, and what they are asked."""

    _pipe: Connection
    _poll: select.epoll = field(factory=select.epoll)
    _readers: dict[int, Subscriber] = field(factory=dict)
    _idlers: list[Subscriber] = field(factory=list)
    _buffer: bytearray = field(factory=lambda: bytearray(1 << 20))
    _kept: Arrivals | Finals | None = None
    _expected: int = 0
    _behind: int = 0
    _waits: bool = False
    _over: Counter[int] = field(factory=Counter)
    _awaits_end: bool = False

    def run(self) -> None:
        self._poll.register(self._pipe.fileno(), select.EPOLLIN)
        while True:
            for number, _ in self._poll.poll():
                if number == self._pipe.fileno():
                    try:
                        order, *arguments = self._pipe.recv()
                    except EOFError:
                        return
                    getattr(self, order)(*arguments)
                elif number in self._readers:
                    self._read(self._readers[number])
            self._answer_if_done()

    def connect(self, port: int, paths: Sequence[str], opening: int) -> None:
        """One subscriber a path; answered when each has got its first texts, `opening` of them."""
        for first in range(0, len(paths), _AT_ONCE):
            asked = [_asked(port, path) for path in paths[first : first + _AT_ONCE]]
            for connection in asked:
                self._register(Subscriber(len(self._readers), connection), _upgraded(connection))
        self._expected = opening
        self._behind = sum(each.texts < opening for each in self._readers.values())
        self._waits = True

    def connect_idlers(self, port: int, paths: Sequence[str], receive_buffer: int) -> None:
        """Subscribers that are upgraded and then never read a byte."""
        for path in paths:
            connection = _asked(port, path, receive_buffer)
            _upgraded(connection)
            self._idlers.append(Subscriber(len(self._idlers), connection))
        self._pipe.send(len(self._idlers))

    def leave_idlers(self) -> None:
        for each in self._idlers:
            each.socket.close()
        self._idlers.clear()
        self._pipe.send(0)

    def expect(self, texts: int, rest_s: float = 0.0) -> None:
        """Answered when each has got so many more than were expected before; nobody reads for so long."""
        time.sleep(rest_s)
        self._expected += texts
        self._behind = sum(each.texts < self._expected for each in self._readers.values())
        self._waits = True

    def expect_end(self) -> None:
        """Answered when all connections are closed, with how many by which code."""
        self._awaits_end = True

    def keep_arrivals(self) -> None:
        self._kept = Arrivals()
        self._pipe.send(None)

    def keep_finals(self) -> None:
        self._kept = Finals()
        self._pipe.send(None)

    def arrivals(self) -> None:
        """What was kept since this was asked last."""
        assert isinstance(self._kept, Arrivals)
        kept, self._kept = self._kept, Arrivals()
        self._pipe.send((kept.subscribers, kept.events, kept.times))

    def finals(self) -> None:
        """How many images each subscriber has seen the end of."""
        assert isinstance(self._kept, Finals)
        self._pipe.send([len(seen) for seen in self._kept.seen.values()])

    def leave(self) -> None:
        """Close all connections."""
        for each in self._readers.values():
            each.socket.close()
        self._readers.clear()
        self._over.clear()
        self._pipe.send(None)

    def _register(self, subscriber: Subscriber, received: bytes) -> None:
        subscriber.socket.setblocking(False)
        self._readers[subscriber.socket.fileno()] = subscriber
        self._poll.register(subscriber.socket.fileno(), select.EPOLLIN)
        self._take(subscriber, received)

    def _read(self, subscriber: Subscriber) -> None:
        try:
            length = subscriber.socket.recv_into(self._buffer)
        except ConnectionError:
            length = 0
        if length:
            self._take(subscriber, bytes(memoryview(self._buffer)[:length]))
        else:
            self._end(subscriber, subscriber.close_code or _CUT)

    def _take(self, subscriber: Subscriber, received: bytes) -> None:
        now, before = time.monotonic(), subscriber.texts
        for opcode, payload in subscriber.frames.of(received):
            if opcode == TEXT:
                subscriber.texts += 1
                if self._kept is not None:
                    self._kept.add(subscriber.number, payload, now)
            elif opcode == PING:
                subscriber.socket.send(masked_frame(PONG, payload))
            elif opcode == CLOSE:
                subscriber.close_code = int.from_bytes(payload[:2], "big") or _NO_CODE
                subscriber.socket.send(masked_frame(CLOSE, payload[:2]))
        self._behind -= before < self._expected <= subscriber.texts

    def _end(self, subscriber: Subscriber, code: int) -> None:
        del self._readers[subscriber.socket.fileno()]
        subscriber.socket.close()
        self._over[code] += 1
        if subscriber.texts < self._expected:
            raise ConnectionError(f"a subscriber was sent away with {code}")

    def _answer_if_done(self) -> None:
        if self._waits and not self._behind:
            self._waits = False
            self._pipe.send(None)
        if self._awaits_end and not self._readers:
            self._awaits_end = False
            self._pipe.send(dict(self._over))


def _asked(port: int, path: str, receive_buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(_PATIENCE_S)
    connection.connect((HOST, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY.decode()}\r\n\r\n".encode()
    )
    return connection


def _upgraded(connection: socket.socket) -> bytes:
    """What came behind the head of the answer."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        received = connection.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection")
        answer += received
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"no WebSocket: {head[:200]!r}")
    return rest
