"""What a WebSocket server writes (RFC 6455, section 5.2), for clients and servers that cost as little as possible."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Final

from attrs import define

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="
"""The RFC's own example: what all clients here say."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def text_frame(payload: bytes) -> bytes:
    """One whole message, not masked: a server's."""
    return _head(0x80 | TEXT, len(payload)) + payload


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 1 << 16:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


def masked_frame(opcode: int, payload: bytes) -> bytes:
    """A client's control frame. The mask is zero, so the payload stays as it is."""
    return bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload


def accept_key(key: bytes) -> bytes:
    """What a server answers to that `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


@define(eq=False)
class ServerFrames:
    """Takes what was received piece by piece and gives whole frames, not masked ones."""

    _rest: bytes = b""

    def of(self, received: bytes) -> Iterator[tuple[int, bytes]]:
        """Opcode and payload of each frame that is whole now. To be read to its end."""
        data = self._rest + received if self._rest else received
        at, end = 0, len(data)
        while end - at >= 2:
            start, length = at + 2, data[at + 1]
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if start > end or start + length > end:
                break
            yield data[at] & 0xF, data[start : start + length]
            at = start + length
        self._rest = data[at:]
