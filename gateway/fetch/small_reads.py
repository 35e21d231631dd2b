"""A socket that gives little at a time.

What comes in one read is parsed in one go, and asyncio reads up to 256 kB: as bodies in chunks of one byte, or as
interim answers, that holds the event loop for a third of a second, over and over, and needs a slow line only.
"""

import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_BYTES: Final = 64 * 1024
"""The kernel's buffer is as large as ever, so a fast line is used as well as before."""


class SmallReads(socket.socket):
    """As any socket, but for the two calls by which asyncio reads, without TLS and below it."""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        return super().recv(min(bufsize, READ_BYTES), flags)

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        room = nbytes or memoryview(buffer).nbytes
        return super().recv_into(buffer, min(room, READ_BYTES), flags)
