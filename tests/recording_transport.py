"""A transport to a reader whom a test has read, or not read, and that keeps all that was read.

transport = RecordingTransport()
peer = transport.peer()
transport.stop_reading()
transport.read(100)
transport.go_on_reading()
"""

import asyncio
from typing import Protocol

from gateway.events.peer import Peer


class _Writer(Protocol):
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self) -> None: ...


class RecordingTransport(asyncio.Transport):
    """Tells its writer when it holds more than `room` bytes, and when only a quarter of them again, as asyncio's do.

    Without `room` that is what its writer asks for.
    """

    def __init__(self, room: int | None = None) -> None:
        super().__init__()
        self._room = room
        self._high, self._low = 64 * 1024, 16 * 1024
        self._writer: _Writer | None = None
        self._held = bytearray()
        self._is_full = False
        self._is_reading = True
        self._is_closed = False
        self.taken = bytearray()
        """All that was read."""
        self.writes = 0
        self.was_aborted = False

    def peer(self) -> Peer:
        """Of a connection that this is the transport of."""
        peer = Peer(self)
        self._writer = peer
        return peer

    def stop_reading(self) -> None:
        self._is_reading = False

    def go_on_reading(self) -> None:
        self._is_reading = True
        self.read(len(self._held))

    def read(self, size: int) -> None:
        """So many of the bytes that are held."""
        self.taken += self._held[:size]
        del self._held[:size]
        if self._is_full and len(self._held) <= self._low:
            self._is_full = False
            if self._writer is not None and not self._is_closed:
                self._writer.resume_writing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._is_closed, "a write after the end"
        self.writes += 1
        self._held += data
        if self._is_reading:
            self.read(len(self._held))
        elif len(self._held) > self._high and not self._is_full:
            self._is_full = True
            if self._writer is not None:
                self._writer.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self._held)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = self._room or high or 64 * 1024
        self._low = self._high // 4 if self._room or low is None else low

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        """What is held is lost, as in a reset."""
        self.abort()

    def abort(self) -> None:
        if not self._is_closed:
            self._is_closed = self.was_aborted = True
            asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        self._held.clear()
        if self._writer is not None:
            self._writer.connection_lost()
