"""A base64 text, with or without a data URI prefix (RFC 2397), to the bytes it stands for, as it comes.

The alphabet and the padding of RFC 4648 section 4 are demanded; line breaks inside are passed over, as the decoder
of the system that this service replaces does. Which bytes come before the text turns out wrong, and what is said of
it, does not depend on how it was cut.
"""

import binascii
import re
from typing import Final

import pybase64
from attrs import define

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_GOOD: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_SCHEME: Final = b"data:"
_DATA_URI: Final = re.compile(rb"data:[^,;]*(?:;[^,;]*)*?(;base64)?,", re.IGNORECASE)
_MAX_PREFIX: Final = 1024


@define(eq=False)
class Base64Text:
    """One text. `wrong` says what is wrong with it, once that is known; from then on there are no bytes."""

    wrong: str = ""
    _head: bytes | None = b""
    """The begin of a text that may have a prefix; None once the base64 has begun."""
    _carried: bytes = b""
    _is_padded: bool = False
    _passed: int = 0

    @property
    def has_begun(self) -> bool:
        """Whether it is known where the base64 begins, behind a prefix or without one."""
        return self._head is None

    def decode(self, piece: memoryview) -> bytes:
        """The bytes of a piece that is base64 alone. Raises binascii.Error for any other, and takes nothing."""
        if self._head is not None or self.wrong:
            raise binascii.Error
        decoded = self._decode(memoryview(self._carried + piece) if self._carried else piece)
        self._passed += len(piece)
        return decoded

    def read(self, piece: str) -> bytes:
        """The bytes of any piece, as far as it is right."""
        foreign = None if piece.isascii() else _NOT_ASCII.search(piece)
        if foreign is None:
            decoded = self._read(piece.encode())
        else:
            decoded = self._read(piece[: foreign.start()].encode())
            at = self._passed + foreign.start()
            self._refuse(f"a character outside of the base64 alphabet at position {at}")
        self._passed += len(piece)
        return decoded

    def end(self) -> bytes:
        """The bytes that are left when nothing more comes."""
        head, self._head = self._head, None
        decoded = self._read_base64(self._without_prefix(head)) if head else b""
        if self._carried:
            self._refuse("the length is no multiple of 4: cut short, or padding is missing")
        return decoded

    def _read(self, piece: bytes) -> bytes:
        if self._head is not None:
            self._head += piece
            if not _tells_prefix(self._head):
                return b""
            piece, self._head = self._without_prefix(self._head), None
        return self._read_base64(piece)

    def _read_base64(self, piece: bytes) -> bytes:
        if self.wrong:
            return b""
        if b"\n" in piece or b"\r" in piece:
            piece = piece.translate(None, b"\r\n")
        text = self._carried + piece
        try:
            return self._decode(memoryview(text))
        except binascii.Error:
            self._refuse("a character outside of the base64 alphabet, or padding in the middle")
            return b"" if self._is_padded else _decoded_while_right(text)

    def _decode(self, text: memoryview) -> bytes:
        """The bytes of what was carried and a piece behind it. Raises binascii.Error, and then changes nothing."""
        if self._is_padded and text:
            raise binascii.Error
        whole = len(text) & ~3
        rest = bytes(text[whole:])
        decoded: bytes = pybase64.b64decode(text[:whole], validate=True)
        is_padded = len(decoded) != whole // 4 * 3
        if rest and (is_padded or rest.translate(None, _ALPHABET)):
            raise binascii.Error
        self._carried, self._is_padded = rest, self._is_padded or is_padded
        return decoded

    def _without_prefix(self, head: bytes) -> bytes:
        if not _is_data_uri(head):
            return head
        match = _DATA_URI.match(head, 0, _MAX_PREFIX)
        if match is None:
            self._refuse("a data URI without a comma")
        elif not match[1]:
            self._refuse("a data URI that is not base64")
        return head[match.end() :] if match else b""

    def _refuse(self, why: str) -> None:
        """What came first counts."""
        self.wrong = self.wrong or why


def _is_data_uri(head: bytes) -> bool:
    return head[: len(_SCHEME)].lower() == _SCHEME


def _tells_prefix(head: bytes) -> bool:
    """Whether nothing that comes behind it could change what its prefix is."""
    if len(head) < len(_SCHEME):
        return False
    return not _is_data_uri(head) or len(head) >= _MAX_PREFIX or b"," in head


def _decoded_while_right(text: bytes) -> bytes:
    """The bytes of all whole groups of four before the first wrong one."""
    match = _GOOD.match(text)
    right = match.end() & ~3 if match else 0
    decoded: bytes = pybase64.b64decode(text[:right], validate=True)
    return decoded
