"""The bytes of a file, read in steps while they arrive.

Reads are generators: each yields when it needs bytes that have not come yet. Whatever is read, and raised, depends
on the bytes alone and not on how they were cut.
"""

import re
import zlib
from collections.abc import Generator
from typing import Final, TypeVar

from gateway.images.refusals import damaged

T = TypeVar("T")
Steps = Generator[None, None, T]

START_BYTES: Final = 64


class ByteReader:
    """The bytes that came and are not read yet.

    A read that needs more yields until they were added, or raises ContentError (`damaged`) if there are none to come.
    """

    def __init__(self) -> None:
        self.start = b""
        """The first START_BYTES that came, read or not."""
        self.has_ended = False
        """Whether no more will be added."""
        self._held = b""
        self._position = 0

    def add(self, chunk: bytes) -> None:
        if (missing := START_BYTES - len(self.start)) > 0:
            self.start += chunk[:missing]
        self._held = self.peek() + chunk
        self._position = 0

    def end(self) -> None:
        """All bytes were added."""
        self.has_ended = True

    def drop_read(self) -> None:
        """Let go of what was read: the last chunk may be large."""
        self._held = self.peek()
        self._position = 0

    def peek(self, count: int | None = None) -> bytes:
        """What is there of the next `count` bytes."""
        end = None if count is None else self._position + count
        return self._held[self._position : end]

    def peek_ahead(self, count: int) -> Steps[bytes]:
        """The next `count` bytes, a few, or all that there are; they stay."""
        while self.unread < count and not self.has_ended:
            yield
        return self.peek(count)

    def take(self, count: int) -> Steps[bytes]:
        """The next `count` bytes, a few thousand."""
        while self.unread < count:
            yield from self._more()
        self._position += count
        return self._held[self._position - count : self._position]

    def take_some(self, at_most: int) -> Steps[bytes]:
        """The next bytes, as many as are there; none at the end."""
        yield from self.peek_ahead(1)
        some = self.peek(at_most)
        self._position += len(some)
        return some

    def skip(self, count: int) -> Steps[None]:
        """Pass over `count` bytes, which may be many."""
        while (here := self.unread) < count:
            count -= here
            self._position = len(self._held)
            yield from self._more()
        self._position += count

    def skip_rest(self) -> Steps[None]:
        """Pass over all that comes, to the end."""
        while (yield from self.peek_ahead(1)):
            self._position = len(self._held)

    def checksum(self, count: int, checksum: int) -> Steps[int]:
        """Pass over `count` bytes; the CRC-32 of what came before (`checksum`) and of them."""
        while True:
            here = min(count, self.unread)
            checksum = zlib.crc32(memoryview(self._held)[self._position : self._position + here], checksum)
            self._position += here
            count -= here
            if not count:
                return checksum
            yield from self._more()

    def find(self, pattern: re.Pattern[bytes]) -> Steps[int]:
        """Pass over all up to a match of `pattern` (at most 2 bytes), and over it; its last byte."""
        while not (match := pattern.search(self._held, self._position)):
            self._position = max(self._position, len(self._held) - 1)
            yield from self._more()
        self._position = match.end()
        return self._held[self._position - 1]

    @property
    def unread(self) -> int:
        """How many bytes are there."""
        return len(self._held) - self._position

    def _more(self) -> Steps[None]:
        if self.has_ended:
            raise damaged("it ends too early, as if cut off")
        yield
