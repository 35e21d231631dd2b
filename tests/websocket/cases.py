"""What clients may and may not send over a WebSocket that only listens for life signs, and what must come of it.

In the manner of the Autobahn test suite, and numbered by its sections. What is said means nothing here, so a message
that is right is answered by nothing: the connection goes on.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from tests.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    closing,
    fragments,
    frame,
    masked,
)

MAX_MESSAGE: Final = 4096
"""Bytes; a message of so many or more is too big."""

PROTOCOL_ERROR, UNSUPPORTED, INVALID_TEXT, TOO_BIG = 1002, 1003, 1007, 1009

HELLO: Final = "Hello-µ@ßöäüàá-UTF-8!!".encode()


@frozen
class Expected:
    """`codes` are those that RFC 6455 leaves a choice of; empty: the connection goes on."""

    codes: frozenset[int] = frozenset()
    pongs: tuple[bytes, ...] = ()
    is_goodbye: bool = False
    """The client has closed, so it asks nothing more."""


@frozen
class Case:
    sent: bytes
    expected: Expected


GOES_ON: Final = Expected()


def goes_on(sent: bytes, *pongs: bytes) -> Case:
    return Case(sent, Expected(pongs=pongs))


def fails(sent: bytes, *codes: int, pongs: tuple[bytes, ...] = ()) -> Case:
    """The gateway fails the connection (section 7.1.7), with one of these codes; 1002 where none is named."""
    return Case(sent, Expected(frozenset(codes or (PROTOCOL_ERROR,)), pongs))


def ends(sent: bytes, *codes: int, pongs: tuple[bytes, ...] = ()) -> Case:
    """The client closes, and is answered (section 7.1.2)."""
    return Case(sent, Expected(frozenset(codes), pongs, is_goodbye=True))


_FRAMING: Mapping[str, Case] = {
    **{
        f"1.{section}.{number} {name} of {size} bytes": goes_on(frame(opcode, b"*" * size))
        for section, (name, opcode) in enumerate((("a text", TEXT), ("a binary message", BINARY)), 1)
        for number, size in enumerate((0, 1, 125, 126, 127, 128, MAX_MESSAGE - 1), 1)
    },
    **{
        f"1.3.{number} a length of {size} that is told in {length_bytes} bytes": fails(
            frame(TEXT, b"*" * size, length_bytes=length_bytes)
        )
        for number, (size, length_bytes) in enumerate(
            ((0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (4000, 8)), 1
        )
    },
    "1.4.1 a length whose highest bit is set": fails(
        frame(TEXT, length_bytes=8, declared=2**63), PROTOCOL_ERROR, TOO_BIG
    ),
    "1.4.2 a length of all bits": fails(
        frame(TEXT, length_bytes=8, declared=2**64 - 1), PROTOCOL_ERROR, TOO_BIG
    ),
    "1.4.3 a length of 2**63 - 1": fails(frame(BINARY, length_bytes=8, declared=2**63 - 1), TOO_BIG),
    "1.4.4 a length of 2**32": fails(frame(BINARY, length_bytes=8, declared=2**32), TOO_BIG),
}

_PINGS: Mapping[str, Case] = {
    "2.1 a ping without payload": goes_on(frame(PING), b""),
    "2.2 a ping of text": goes_on(frame(PING, b"Hello, world!"), b"Hello, world!"),
    "2.3 a ping of bytes that are no text": goes_on(
        frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    ),
    "2.4 a ping of 125 bytes": goes_on(frame(PING, b"\xfe" * 125), b"\xfe" * 125),
    "2.5 a ping of 126 bytes": fails(frame(PING, b"\xfe" * 126)),
    "2.5.1 a ping of 126 bytes, of which none came yet": fails(frame(PING, declared=126)),
    "2.5.2 a ping of 65,536 bytes": fails(frame(PING, declared=65_536)),
    "2.5.3 a pong of 126 bytes": fails(frame(PONG, b"\xfe" * 126)),
    "2.7 a pong that nobody asked for": goes_on(frame(PONG)),
    "2.8 a pong that nobody asked for, of text": goes_on(frame(PONG, b"unsolicited")),
    "2.9 such a pong, and a ping": goes_on(frame(PONG, b"unsolicited") + frame(PING, b"ping"), b"ping"),
    "2.10 ten pings": goes_on(
        b"".join(frame(PING, b"%d" % number) for number in range(10)),
        *(b"%d" % number for number in range(10)),
    ),
    "2.12 a thousand pings": goes_on(
        b"".join(frame(PING, b"%d" % number) for number in range(1000)),
        *(b"%d" % number for number in range(1000)),
    ),
}

_RESERVED_BITS: Mapping[str, Case] = {
    **{
        f"3.1.{rsv} a text with reserved bits {rsv:03b}": fails(frame(TEXT, HELLO, rsv=rsv))
        for rsv in range(1, 8)
    },
    **{f"3.2.{rsv} a binary message with them": fails(frame(BINARY, bytes(8), rsv=rsv)) for rsv in (1, 2, 4)},
    **{f"3.3.{rsv} a ping with them": fails(frame(PING, b"ping", rsv=rsv)) for rsv in (1, 2, 4)},
    **{f"3.4.{rsv} a close with them": fails(frame(CLOSE, rsv=rsv)) for rsv in (1, 2, 4)},
    "3.5 a text, then one with reserved bits, then a ping": fails(
        frame(TEXT, HELLO) + frame(TEXT, HELLO, rsv=2) + frame(PING)
    ),
    "3.6 a ping, then a text with reserved bits": fails(
        frame(PING, b"1") + frame(TEXT, rsv=1), pongs=(b"1",)
    ),
    "3.7 a continuation with them": fails(frame(TEXT, HELLO, fin=False) + frame(CONTINUATION, HELLO, rsv=4)),
}

_OPCODES: Mapping[str, Case] = {
    **{f"4.{opcode} opcode {opcode}": fails(frame(opcode)) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{
        f"4.{opcode}.1 a text, and opcode {opcode} with a payload": fails(
            frame(TEXT, HELLO) + frame(opcode, HELLO) + frame(PING)
        )
        for opcode in (3, 7, 11, 15)
    },
    "4.16 opcode 5 in the midst of a message": fails(frame(TEXT, HELLO, fin=False) + frame(5)),
}

_FRAGMENTS: Mapping[str, Case] = {
    "5.1 a ping in two fragments": fails(fragments(PING, b"fragment1", b"fragment2")),
    "5.2 a pong in two fragments": fails(fragments(PONG, b"fragment1", b"fragment2")),
    "5.2.1 a close in two fragments": fails(fragments(CLOSE, b"\x03\xe8", b"bye")),
    "5.3 a text in two fragments": goes_on(fragments(TEXT, b"fragment1", b"fragment2")),
    "5.4 a binary message in two": goes_on(fragments(BINARY, b"\xff\x00", b"\xfe")),
    "5.6 a ping between two fragments": goes_on(
        frame(TEXT, b"fragment1", fin=False) + frame(PING, b"ping") + frame(CONTINUATION, b"fragment2"),
        b"ping",
    ),
    "5.7 a pong between two fragments": goes_on(
        frame(TEXT, b"fragment1", fin=False) + frame(PONG, b"pong") + frame(CONTINUATION, b"fragment2")
    ),
    "5.8 a message whose end is still to come": goes_on(frame(TEXT, b"fragment1", fin=False)),
    "5.9 a continuation of nothing": fails(frame(CONTINUATION, b"non-continuation payload")),
    "5.10 a continuation of nothing, not the last": fails(frame(CONTINUATION, b"payload", fin=False)),
    "5.11 an empty continuation of nothing": fails(frame(CONTINUATION)),
    "5.12 a continuation of a message that has ended": fails(frame(TEXT, HELLO) + frame(CONTINUATION, HELLO)),
    "5.13 one of a message that has ended in fragments": fails(
        fragments(TEXT, HELLO, HELLO) + frame(CONTINUATION, HELLO, fin=False)
    ),
    "5.15 two messages in fragments": goes_on(fragments(TEXT, b"1", b"2") + fragments(BINARY, b"3", b"4")),
    "5.16 a text in the midst of a text": fails(frame(TEXT, b"1", fin=False) + frame(TEXT, b"2")),
    "5.17 a text's first fragment in the midst of one": fails(
        frame(TEXT, b"1", fin=False) + frame(TEXT, b"2", fin=False)
    ),
    "5.18 a binary message in the midst of a text": fails(frame(TEXT, b"1", fin=False) + frame(BINARY, b"2")),
    "5.18.1 a text in the midst of one that is empty as yet": fails(
        frame(TEXT, fin=False) + frame(TEXT, b"2")
    ),
    "5.18.2 a binary message in the midst of one that is empty as yet": fails(
        frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) + frame(BINARY)
    ),
    "5.19 five fragments and two pings": goes_on(
        frame(TEXT, b"1", fin=False)
        + frame(CONTINUATION, b"2", fin=False)
        + frame(PING, b"a")
        + frame(CONTINUATION, b"3", fin=False)
        + frame(CONTINUATION, b"4", fin=False)
        + frame(PING, b"b")
        + frame(CONTINUATION, b"5"),
        b"a",
        b"b",
    ),
    "5.20 fragments without payload": goes_on(fragments(TEXT, b"", b"", b"")),
    "5.21 a thousand fragments without payload": goes_on(fragments(TEXT, *(b"" for _ in range(1000)))),
    "5.22 a thousand fragments of one byte": goes_on(fragments(TEXT, *(b"x" for _ in range(1000)))),
}

_CODE_POINTS: Mapping[str, bytes] = {
    "the first of each length": "\x00\x80\u0800\U00010000".encode(),
    "the last of each length": "\x7f\u07ff\uffff\U0010ffff".encode(),
    "those beside the surrogates": "\ud7ff\ue000\ufffd".encode(),
    "non-characters": "\ufffe\uffff\U0001fffe\U0010fffe\ufdd0".encode(),
    "many languages": "κόσμε Köln 東京 ملف \u202e\u202c \U0001f469\u200d\U0001f467".encode(),
    "a byte order mark": b"\xef\xbb\xbfx",
}

NO_TEXT: Mapping[str, bytes] = {
    "a continuation byte alone": b"\x80",
    "ten of them": bytes(range(0x80, 0x8A)),
    "a first byte of two alone": b"\xc3",
    "a first byte of three alone": b"\xe2 ",
    "a first byte of four alone": b"\xf0\x90\x80",
    "the impossible byte fe": b"\xfe",
    "the impossible byte ff": b"ab\xff",
    "a slash in two bytes": b"\xc0\xaf",
    "a slash in three bytes": b"\xe0\x80\xaf",
    "a slash in four bytes": b"\xf0\x80\x80\xaf",
    "a NUL in two bytes": b"\xc0\x80",
    "the longest that is too long": b"\xc1\xbf",
    "a high surrogate": b"\xed\xa0\x80",
    "a low surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond the last code point": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "Latin-1": "Köln".encode("latin-1"),
    "a mistake at the end": HELLO + b"\xed\xa0\x80",
}

_TEXTS: Mapping[str, Case] = {
    **{f"6.1 a text of {name}": goes_on(frame(TEXT, text)) for name, text in _CODE_POINTS.items()},
    **{
        f"6.2 a text of {name}, byte by byte": goes_on(fragments(TEXT, *(bytes([byte]) for byte in text)))
        for name, text in _CODE_POINTS.items()
    },
    **{
        f"6.3 no text: {name}": fails(frame(TEXT, HELLO + text), INVALID_TEXT)
        for name, text in NO_TEXT.items()
    },
    **{
        f"6.4 no text, byte by byte: {name}": fails(
            fragments(TEXT, *(bytes([byte]) for byte in text)), INVALID_TEXT
        )
        for name, text in NO_TEXT.items()
    },
    "6.5 no text, and a ping before the end": fails(
        frame(TEXT, b"\xff", fin=False) + frame(PING, b"1") + frame(CONTINUATION), INVALID_TEXT, pongs=(b"1",)
    ),
    "6.6 the same bytes in a binary message": goes_on(frame(BINARY, b"".join(NO_TEXT.values()))),
    "6.7 no text in ping and pong": goes_on(frame(PING, b"\xff\xfe") + frame(PONG, b"\xff"), b"\xff\xfe"),
    "6.8 a text that was begun as a binary message": goes_on(fragments(BINARY, b"\xff", b"\xfe")),
}

_VALID_CODES = (
    1000,
    1001,
    1002,
    1003,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    3000,
    3999,
    4000,
    4999,
)
"""Section 7.4, and what IANA lists since."""
_INVALID_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65_535)

_CLOSING: Mapping[str, Case] = {
    "7.1.1 a text, then a close": ends(frame(TEXT, HELLO) + closing(1000), 1000),
    "7.1.2 two closes": ends(closing(1000) + closing(1000), 1000),
    "7.1.3 a close, then a ping": ends(closing(1000) + frame(PING, b"x"), 1000),
    "7.1.4 a close, then a text": ends(closing(1000) + frame(TEXT, HELLO), 1000),
    "7.1.5 a close in the midst of a message": ends(frame(TEXT, b"1", fin=False) + closing(1000), 1000),
    "7.1.6 a close, then bytes that are no frame": ends(closing(1000) + b"\xff" * 1000, 1000),
    "7.1.7 a ping, then a close": ends(frame(PING, b"x") + closing(1001), 1000, 1001, pongs=(b"x",)),
    "7.3.1 a close without a code": ends(closing(), 1000, 1005),
    "7.3.2 a close of one byte": fails(frame(CLOSE, b"a")),
    "7.3.3 a close with a code": ends(closing(1000), 1000),
    "7.3.4 a close with a reason": ends(closing(1000, b"Hello World!"), 1000),
    "7.3.5 a close with the longest reason": ends(closing(1000, b"*" * 123), 1000),
    "7.3.6 a close with a longer one": fails(frame(CLOSE, b"\x03\xe8" + b"*" * 124)),
    "7.5.1 a close whose reason is no text": fails(
        closing(1000, b"\xce\xba\xed\xa0\x80"), INVALID_TEXT, PROTOCOL_ERROR
    ),
    "7.5.2 a close whose reason is cut in a character": fails(
        closing(1000, "ö".encode()[:1]), INVALID_TEXT, PROTOCOL_ERROR
    ),
    **{f"7.7.{code} a close with {code}": ends(closing(code), 1000, code) for code in _VALID_CODES},
    **{f"7.9.{code} a close with {code}": fails(closing(code)) for code in _INVALID_CODES},
    "7.9.1006.1 a close with 1006 and a reason": fails(closing(1006, b"vanished")),
}

_LIMITS: Mapping[str, Case] = {
    "9.1 a text of the bound": fails(frame(TEXT, b"*" * MAX_MESSAGE), TOO_BIG),
    "9.2 a binary message of 64 kB": fails(frame(BINARY, bytes(65_535)), TOO_BIG),
    "9.3 one of a byte more, whose length takes eight": fails(frame(BINARY, bytes(65_536)), TOO_BIG),
    "9.4 a text of 1 MB": fails(frame(TEXT, b"*" * 1_000_000), TOO_BIG),
    "9.5 a text of 16 MB": fails(frame(TEXT, b"*" * 16_000_000), TOO_BIG),
    "9.6 too much in two fragments": fails(fragments(TEXT, b"*" * 3000, b"*" * 3000), TOO_BIG),
    "9.7 too much in fragments of 100 bytes": fails(
        fragments(BINARY, *(bytes(100) for _ in range(50))), TOO_BIG
    ),
    "9.8 too much in fragments of ten bytes, and a pong between each": fails(
        frame(BINARY, fin=False)
        + b"".join(frame(CONTINUATION, b"ten bytes!", fin=False) + frame(PONG) for _ in range(500)),
        TOO_BIG,
    ),
    "9.10 a flood of fragments without payload": fails(
        frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) * 5000
    ),
    "9.9 a hundred messages just within": goes_on(frame(TEXT, b"*" * (MAX_MESSAGE - 1)) * 100),
}

_MASKS: Mapping[str, Case] = {
    "10.1 a mask of zeros": goes_on(frame(TEXT, HELLO, key=bytes(4))),
    "10.2 a mask of ones": goes_on(frame(PING, b"x" * 7, key=b"\xff" * 4), b"x" * 7),
    "10.3 a mask that makes a close of the payload": goes_on(frame(BINARY, masked(b"\x88\x80" * 20, KEY))),
    "10.4 a text that is not masked": fails(frame(TEXT, HELLO, key=None)),
    "10.5 a binary message that is not masked": fails(frame(BINARY, HELLO, key=None)),
    "10.6 a ping that is not masked": fails(frame(PING, b"x", key=None)),
    "10.7 a pong that is not masked": fails(frame(PONG, key=None)),
    "10.8 a close that is not masked": fails(frame(CLOSE, b"\x03\xe8", key=None)),
    "10.9 a text in fragments, the last of them not masked": fails(
        frame(TEXT, HELLO, fin=False) + frame(CONTINUATION, HELLO, key=None)
    ),
    "10.10 a ping that is not masked in the midst of a text": fails(
        frame(TEXT, HELLO, fin=False) + frame(PING, b"x", key=None) + frame(CONTINUATION)
    ),
    "10.11 a text of 16 MB that is not masked": fails(
        frame(TEXT, bytes(16_000_000), key=None), PROTOCOL_ERROR, TOO_BIG
    ),
}

_DEFLATED = bytes.fromhex("f248cdc9c90700")
"""`Hello`, in section 7.2.3.1 of RFC 7692."""

_COMPRESSED: Mapping[str, Case] = {
    "12.1 a compressed text, as nobody agreed to": fails(frame(TEXT, _DEFLATED, rsv=4)),
    "12.2 one in fragments": fails(
        frame(TEXT, _DEFLATED[:3], rsv=4, fin=False) + frame(CONTINUATION, _DEFLATED[3:])
    ),
    "12.3 a compressed text without the bit that says so is a binary message": goes_on(
        frame(BINARY, _DEFLATED)
    ),
    "12.4 a bomb": fails(frame(BINARY, bytes(4000), rsv=4)),
}

_NO_FRAMES: Mapping[str, Case] = {
    "14.1 HTTP": fails(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "14.2 NULs": fails(bytes(1000)),
    "14.3 bits": fails(b"\xff" * 1000),
    "14.4 the framing of hixie-76": fails(b"\x00Hello\xff"),
    "14.5 TLS": fails(bytes.fromhex("16030100a5010000a1")),
}

CASES: Final[Mapping[str, Case]] = {
    **_FRAMING, **_PINGS, **_RESERVED_BITS, **_OPCODES, **_FRAGMENTS, **_TEXTS, **_CLOSING, **_LIMITS, **_MASKS,
    **_COMPRESSED, **_NO_FRAMES,
}  # fmt: skip
