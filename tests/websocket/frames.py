"""Frames of RFC 6455 (section 5), right ones and wrong ones.

Written byte by byte, so that they can be wrong in every way; what a gateway sends is read strictly.
"""

import asyncio
from enum import IntEnum
from typing import Final

from attrs import frozen

KEY: Final = b"\x37\xfa\x21\x3d"
"""Of the examples in section 5.7."""


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode

_LONGEST_OF_CONTROL: Final = 125
_LENGTHS: Final = {0: 125, 2: 65_535, 8: 2**63 - 1}
"""The most that is told in so many bytes beside the seven bits."""


class NotConforming(AssertionError):
    """The gateway sent what RFC 6455 allows no server to send."""


@frozen
class Frame:
    """One that was heard. Servers send no reserved bits and no masks."""

    opcode: int
    payload: bytes
    fin: bool = True

    @property
    def close_code(self) -> int:
        """1005 where a close frame names none (section 7.1.5)."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else 1005


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = KEY,
    length_bytes: int | None = None,
    declared: int | None = None,
) -> bytes:
    """As a client sends it.

    `rsv` has the bits of RSV1 (4), RSV2 (2) and RSV3 (1); without a `key` it is not masked; `length_bytes` (0, 2 or 8)
    are more than needed, and `declared` is the length it tells in place of the truth.
    """
    first = fin << 7 | rsv << 4 | opcode
    body = payload if key is None else masked(payload, key)
    length = _length(len(payload) if declared is None else declared, length_bytes, is_masked=key is not None)
    return bytes([first]) + length + (key or b"") + body


def masked(payload: bytes, key: bytes) -> bytes:
    """Section 5.3; it is its own inverse."""
    size = len(payload)
    mask = (key * (size // len(key) + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def fragments(opcode: int, *payloads: bytes) -> bytes:
    """One message in so many frames."""
    last = len(payloads) - 1
    return b"".join(
        frame(opcode if index == 0 else CONTINUATION, payload, fin=index == last)
        for index, payload in enumerate(payloads)
    )


async def heard(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None where the connection ends. Raises NotConforming."""
    try:
        first = await reader.read(1)
        return await _frame_after(first[0], reader) if first else None
    except asyncio.IncompleteReadError as end:
        raise NotConforming("half a frame") from end
    except ConnectionError:
        return None


async def _frame_after(first: int, reader: asyncio.StreamReader) -> Frame:
    (second,) = await reader.readexactly(1)
    fin, rsv, opcode = bool(first & 0x80), first & 0x70, first & 0x0F
    _hold(rsv == 0, f"reserved bits {rsv:#x}")
    _hold(opcode in list(Opcode), f"opcode {opcode:#x}")
    _hold(not second & 0x80, "a masked frame of a server")
    size = await _heard_length(reader, second)
    if opcode & 0x8:
        _hold(fin, "a fragmented control frame")
        _hold(size <= _LONGEST_OF_CONTROL, f"a control frame of {size} bytes")
    return Frame(opcode, await reader.readexactly(size), fin)


async def _heard_length(reader: asyncio.StreamReader, second: int) -> int:
    if second < 126:
        return second
    length_bytes = 2 if second == 126 else 8
    size = int.from_bytes(await reader.readexactly(length_bytes), "big")
    _hold(size > _LENGTHS[0 if length_bytes == 2 else 2], f"{size} in {length_bytes} bytes")
    return size


def _length(size: int, length_bytes: int | None, *, is_masked: bool) -> bytes:
    if length_bytes is None:
        length_bytes = next((count for count, most in _LENGTHS.items() if size <= most), 8)
    short = {0: size, 2: 126, 8: 127}[length_bytes]
    return bytes([is_masked << 7 | short]) + (size.to_bytes(length_bytes, "big") if length_bytes else b"")


def _hold(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise NotConforming(otherwise)
