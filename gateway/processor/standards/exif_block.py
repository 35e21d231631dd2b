"""Writes texts into a block of EXIF and moves nothing of it.

Maker notes, previews and thumbnails are found by offsets that only their maker knows: whoever writes the block anew
loses some of them (Exiv2: previews of Casio, notes of Nintendo). Here all bytes stay where they are. A new first
directory is put behind them, with the old one's fields and the texts, and the header points to it. Writing again
takes the place of what was written before, so that the block does not grow with each time.

A block is a TIFF structure. Pure; TIFF 6.0 section 2 and EXIF 2.32 section 4 rule it.
"""

import struct
from typing import Final, Literal

from attrs import field, frozen

_IMAGE_DESCRIPTION: Final = 0x010E
_XP_TITLE: Final = 0x9C9B
_TEXTS: Final = (_IMAGE_DESCRIPTION, _XP_TITLE)

_BYTE, _ASCII, _SHORT, _RATIONAL = 1, 2, 3, 5
_ITEM_BYTES: Final = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _RATIONAL: 8}
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _YCBCR_POSITIONING = 0x011A, 0x011B, 0x0128, 0x0213
_CENTRED: Final = 1
_HEADER_BYTES: Final = 8
_FIELD_BYTES: Final = 12
_INLINE_BYTES: Final = 4
_MAX_FIELDS: Final = 4096
"""Of a first directory; real ones have some dozens, and 16 bits count them."""

ByteOrder = Literal["<", ">"]
_BYTE_ORDERS: Final[dict[bytes, ByteOrder]] = {b"II*\0": "<", b"MM\0*": ">"}


class ExifUnreadable(ValueError):
    """The block's first directory can't be read: what would be written beside it nobody would find."""


@frozen
class _Value:
    """Of one field; `content` in the block's byte order."""

    type: int
    content: bytes
    at: int = field(default=0, eq=False)
    """Where in the block it lies; 0: within its field, or not yet anywhere."""


@frozen
class _Directory:
    """The first directory as it lies there: its fields as they are, and where the next one (the thumbnail's) is.

    One that lies outside is none: what is written behind the block would be taken for it.
    """

    order: ByteOrder
    at: int
    fields: tuple[bytes, ...]
    next: bytes

    def tag(self, entry: bytes) -> int:
        (tag,) = struct.unpack_from(self.order + "H", entry)
        return int(tag)


def with_texts(block: bytes, *, title: str = "", description: str = "") -> bytes:
    """`block` with these texts; an empty one leaves what is there. Raises ExifUnreadable."""
    there = _first_directory(block)
    old, new = _texts_of(block, there), _texts(title, description)
    if new.items() <= old.items():
        return block
    ours = {tag: value for tag, value in old.items() if not 0 < value.at < there.at}
    is_ours = bool(ours) and _written(there.at, there, ours) == block[there.at :]
    if is_ours:  # it is the block's end, and is put anew
        block, new = block[: there.at], ours | new
    block += b"\0" * (len(block) % 2)
    header = block[:4] + struct.pack(there.order + "I", len(block))
    return header + block[_HEADER_BYTES:] + _written(len(block), there, new)


def new_block(density: tuple[int, int, int] | None, *, title: str = "", description: str = "") -> bytes:
    """A block with these texts, and with what EXIF demands of a JPEG's first directory unless `density` is None.

    That is (x, y, unit), with 1 for pixels per inch and 2 for pixels per centimetre.
    """
    fields = _texts(title, description)
    if density:
        fields |= _required_of_a_jpeg(*density)
    empty = _Directory("<", _HEADER_BYTES, (), bytes(4))
    return b"II*\0" + struct.pack("<I", _HEADER_BYTES) + _written(_HEADER_BYTES, empty, fields)


def _required_of_a_jpeg(x_density: int, y_density: int, unit: int) -> dict[int, _Value]:
    return {
        _X_RESOLUTION: _Value(_RATIONAL, struct.pack("<II", x_density, 1)),
        _Y_RESOLUTION: _Value(_RATIONAL, struct.pack("<II", y_density, 1)),
        _RESOLUTION_UNIT: _Value(_SHORT, struct.pack("<H", unit + 1)),
        _YCBCR_POSITIONING: _Value(_SHORT, struct.pack("<H", _CENTRED)),
    }


def _texts(title: str, description: str) -> dict[int, _Value]:
    texts = {}
    if description:
        texts[_IMAGE_DESCRIPTION] = _Value(_ASCII, description.encode() + b"\0")
    if title:
        texts[_XP_TITLE] = _Value(_BYTE, title.encode("utf-16-le") + b"\0\0")
    return texts


def _first_directory(block: bytes) -> _Directory:
    order = _BYTE_ORDERS.get(block[:4])
    if order is None:
        raise ExifUnreadable("it is no TIFF structure")
    try:
        (at,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, at)
    except struct.error as error:
        raise ExifUnreadable("its first directory lies outside") from error
    start, end = at + 2, at + 2 + count * _FIELD_BYTES
    if at < _HEADER_BYTES or end + 4 > len(block) or count > _MAX_FIELDS:
        raise ExifUnreadable("its first directory lies outside, or has too many fields")
    fields = tuple(block[place : place + _FIELD_BYTES] for place in range(start, end, _FIELD_BYTES))
    (after,) = struct.unpack_from(order + "I", block, end)
    return _Directory(order, at, fields, block[end : end + 4] if after < len(block) else bytes(4))


def _texts_of(block: bytes, directory: _Directory) -> dict[int, _Value]:
    """What of the texts is there and can be read; of several fields with one tag the first counts."""
    fields = {directory.tag(field): field for field in reversed(directory.fields)}
    found = {tag: _value(block, fields[tag], directory.order) for tag in _TEXTS if tag in fields}
    return {tag: value for tag, value in found.items() if value}


def _value(block: bytes, entry: bytes, order: ByteOrder) -> _Value | None:
    kind, count, offset = struct.unpack_from(order + "HII", entry, 2)
    size = count * _ITEM_BYTES.get(kind, 0)
    if size <= _INLINE_BYTES:
        return _Value(kind, entry[-_INLINE_BYTES:][:size]) if size else None
    content = block[offset : offset + size]
    return _Value(kind, content, offset) if len(content) == size else None


def _written(at: int, directory: _Directory, new: dict[int, _Value]) -> bytes:
    """A directory that lies at `at`: the one that was there with `new` in it by tag, and behind it their values."""
    entries = [field for field in directory.fields if directory.tag(field) not in new]
    values_at, values = at + 2 + (len(entries) + len(new)) * _FIELD_BYTES + 4, b""
    for tag in sorted(new):
        entry, value = _entry(tag, new[tag], values_at + len(values), directory.order)
        place = next((n for n, there in enumerate(entries) if directory.tag(there) > tag), len(entries))
        entries.insert(place, entry)
        values += value
    return struct.pack(directory.order + "H", len(entries)) + b"".join(entries) + directory.next + values


def _entry(tag: int, value: _Value, value_at: int, order: ByteOrder) -> tuple[bytes, bytes]:
    """(the field's 12 bytes, what of its value stands behind the directory)."""
    head = struct.pack(order + "HHI", tag, value.type, len(value.content) // _ITEM_BYTES[value.type])
    if len(value.content) <= _INLINE_BYTES:
        return head + value.content.ljust(_INLINE_BYTES, b"\0"), b""
    return head + struct.pack(order + "I", value_at), value.content + b"\0" * (len(value.content) % 2)
