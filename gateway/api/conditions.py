"""What a client already has, and which bytes it wants: entity tags and byte ranges of RFC 9110 (13, 14).

Pure. A Range that is malformed, of another unit or of several parts is ignored, as the RFC allows: the whole is sent.
"""

import re

from attrs import frozen

from gateway.errors import RangeRefused

_ONE_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.ASCII)


@frozen
class ByteRange:
    """The bytes from `start` up to `end` (exclusive) of a whole of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether the client holds the version called `etag` (quoted, strong): the weak comparison."""
    if if_none_match is None:
        return False
    if if_none_match in (etag, "*"):
        return True
    return etag in (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))


def asked_range(size: int, etag: str, *, range_: str | None, if_range: str | None) -> ByteRange | None:
    """The part of the whole that is asked for, None for all of it.

    With If-Range a part is sent only of the version that the client has (never by date or weak tag). Raises
    RangeRefused when no byte of the part exists.
    """
    if range_ is None or (if_range is not None and if_range.strip() != etag):
        return None
    match = _ONE_RANGE.fullmatch(range_)
    if match is None:
        return None
    start, end = _bounds(size, *match.groups())
    if start is None:
        return None
    if start >= min(end, size):
        raise RangeRefused(f"There are no such bytes; the image has {size}.", size=size)
    return ByteRange(start, min(end, size), size)


def _bounds(size: int, first: str | None, last: str | None, suffix: str | None) -> tuple[int | None, int]:
    """Start and exclusive end; no start for a last byte before the first, which makes the header invalid."""
    if suffix is not None:
        return (max(0, size - int(suffix)) if int(suffix) else size), size
    start = int(first or 0)
    end = int(last) + 1 if last else max(size, start + 1)
    return (start if end > start else None), end
