"""What stands behind the end of an image: a camera's film or further pictures, within a bound, but no other file.

Archives are found from their end, or by their first mark wherever that is: such an image would be an archive as well.
"""

from gateway.images.byte_reader import ByteReader, Steps
from gateway.images.foreign import MARK_BYTES, harmful_format, hidden_file
from gateway.images.limits import ImageLimits
from gateway.images.refusals import polyglot, trailing_data
from gateway.images.signatures import HEAD_BYTES

_PADDING = b"\0\t\n\r "
_PIECE_BYTES = 32 * 1024


def pass_over_trailing_data(data: ByteReader, limits: ImageLimits) -> Steps[None]:
    """Read from the image's end to that of the file. Raises ContentError (`trailing_data`, `polyglot`)."""
    if not limits.is_thorough:
        yield from data.skip_rest()
        return
    padding = yield from _padding(data, limits)
    if other := harmful_format((yield from data.peek_ahead(HEAD_BYTES))):
        raise polyglot(other)
    room = limits.max_trailing_bytes - padding
    seen = b""
    while some := (yield from data.take_some(min(room + 1, _PIECE_BYTES))):
        # What is within the bound is looked at first, or the cuts would decide which of the two is told.
        seen = seen[-(MARK_BYTES - 1) :] + some[:room]
        if hidden := hidden_file(seen):
            raise polyglot(hidden.name)
        room -= len(some)
        if room < 0:
            raise trailing_data(limits)


def _padding(data: ByteReader, limits: ImageLimits) -> Steps[int]:
    """Pass over zeros and blanks; how many there were."""
    count = 0
    while some := (yield from data.peek_ahead(1)):
        some = data.peek(_PIECE_BYTES)
        blanks = len(some) - len(some.lstrip(_PADDING))
        count += blanks
        yield from data.skip(blanks)
        if count > limits.max_trailing_bytes:
            raise trailing_data(limits)
        if blanks < len(some):
            break
    return count
