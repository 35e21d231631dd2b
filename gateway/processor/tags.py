"""Writes title, description and keywords into a JPEG or PNG: EXIF, IPTC and XMP, as the contract's table says.

The compressed image data stays as it is, byte for byte, and so does all metadata that was there: title and
description are replaced, keywords are added to those that were there. IPTC is written as UTF-8 and says so;
texts of an earlier Latin-1 are converted with it. Lengths of IPTC fields are bounds in bytes; nothing else
is cut.

Runs in a helper process, never in the service: pyexiv2 is GPLv3 and not thread-safe, and this is the only
module that imports it, when a tag is to be written. It is the extra `processor`.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gateway.errors import ContentError
from gateway.images.signatures import ImageType, image_type
from gateway.metadata import Metadata
from gateway.processor.grafting import with_metadata_of
from gateway.processor.image_data import check_same_image_data
from gateway.processor.segments import (
    APP1,
    JPEG_START,
    SEGMENT_HEAD_BYTES,
    jfif_density,
    segments,
    with_current_digest,
    with_times_of,
)

if TYPE_CHECKING:
    from pyexiv2 import ImageData

INSTALL_COMMAND = "pip install 'batch-gateway[processor]'"

MAX_HEADLINE_BYTES = 256
MAX_CAPTION_BYTES = 2000
MAX_KEYWORD_BYTES = 64
"""IPTC-IIM 4.2, sections 2:105, 2:120, 2:25."""

CHARACTER_SET = "Iptc.Envelope.CharacterSet"
UTF_8_DECLARED = "\x1b%G"  # ISO 2022; IPTC-IIM 4.2, 1:90
LATIN_1_DECLARED = frozenset({"\x1b.A", "\x1b-A"})

EXIV2_ERRORS = (RuntimeError, ValueError)
"""All that Exiv2 and its binding raise."""

X_DEFAULT = 'lang="x-default"'

Tags = dict[str, Any]
Writer = Callable[["ImageData", Metadata], None]


class TaggingFailed(ContentError):
    """The tags could not be written into this image."""

    default_code = "tagging_failed"


def processor_available() -> bool:
    """Whether tags can be written here; if not, INSTALL_COMMAND helps. Imports nothing."""
    return find_spec("pyexiv2") is not None


def write_tags(image: bytes, metadata: Metadata) -> bytes:
    """`image` with `metadata` in it; unchanged if there is none. Raises TaggingFailed, ImageDataChanged."""
    metadata = _clean(metadata)
    if metadata.is_empty:
        return image
    if image_type(image) is None:
        raise TaggingFailed("Tags can only be written into JPEG and PNG images.")
    grafted = with_metadata_of(_tagged_copy(image, metadata), image)
    check_same_image_data(image, grafted)
    return grafted


def _tagged_copy(image: bytes, metadata: Metadata) -> bytes:
    """With the tags, and with what Exiv2 changes beside them."""
    try:
        return _tagged(image, metadata, (_write_exif, _write_iptc, _write_xmp))
    except EXIV2_ERRORS as error:
        if any(_exif_segments(image)):
            return _tagged_beside_exif(image, metadata)
        raise _failed(error) from error


def _tagged(image: bytes, metadata: Metadata, writers: Iterable[Writer]) -> bytes:
    opened = _open(image)
    try:
        for write in writers:
            write(opened, metadata)
        tagged = bytes(opened.get_bytes())
    finally:
        opened.close()
    return with_current_digest(with_times_of(image, tagged))


def _tagged_beside_exif(image: bytes, metadata: Metadata) -> bytes:
    """IPTC and XMP only: EXIF that is damaged would lose something by being written, so it stays as it is."""
    blocks = list(_exif_segments(image))
    without = image
    for start, end in reversed(blocks):
        without = without[:start] + without[end:]
    try:
        tagged = _tagged(without, metadata, (_write_iptc, _write_xmp))
    except EXIV2_ERRORS as error:
        raise _failed(error) from error
    before = image[: blocks[0][0]]
    at = len(before) if tagged.startswith(before) else len(JPEG_START)
    return tagged[:at] + b"".join(image[start:end] for start, end in blocks) + tagged[at:]


def _exif_segments(image: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of each, its marker and length included."""
    for marker, start, end in segments(image):
        if marker == APP1 and image.startswith(b"Exif\0", start):
            yield start - SEGMENT_HEAD_BYTES, end


def _failed(error: Exception) -> TaggingFailed:
    return TaggingFailed("The image's metadata could not be written.", detail=str(error).strip())


def _open(image: bytes) -> "ImageData":
    try:
        import pyexiv2
    except ImportError as error:
        text = "Tags cannot be written here: a part of the gateway is not installed."
        raise TaggingFailed(text, detail=INSTALL_COMMAND) from error
    pyexiv2.set_log_level(3)  # errors become exceptions, warnings are not printed
    with contextlib.suppress(RuntimeError):
        pyexiv2.convert_exif_to_xmp({})  # raises what is left over from an earlier image that failed to open
    return pyexiv2.ImageData(image)


def _write_exif(opened: "ImageData", metadata: Metadata) -> None:
    tags: Tags = {} if _has_exif(opened) else _required_of_a_new_exif(opened)
    if metadata.title:
        tags["Exif.Image.XPTitle"] = metadata.title + "\0"
    if metadata.description:
        tags["Exif.Image.ImageDescription"] = metadata.description
    opened.modify_exif(tags)


def _has_exif(opened: "ImageData") -> bool:
    try:
        return bool(opened.read_exif())
    except ValueError:  # there is some, and it isn't all UTF-8
        return True


def _required_of_a_new_exif(opened: "ImageData") -> Tags:
    """What EXIF 2.32, 4.6.8 demands of a JPEG's first directory: the resolution is the one that it has."""
    if opened.get_mime_type() != ImageType.JPEG.media_type:
        return {}
    x_density, y_density, unit = jfif_density(opened.get_bytes()) or (72, 72, 1)
    return {
        "Exif.Image.XResolution": f"{x_density}/1",
        "Exif.Image.YResolution": f"{y_density}/1",
        "Exif.Image.ResolutionUnit": str(unit + 1),
        "Exif.Image.YCbCrPositioning": "1",
    }


def _write_iptc(opened: "ImageData", metadata: Metadata) -> None:
    fields = opened.read_iptc_detail("latin-1")  # which gives each byte as it stands
    declared = fields.get(CHARACTER_SET, {}).get("value")
    old = _iptc_texts(fields, declared)
    tags: Tags = {CHARACTER_SET: UTF_8_DECLARED}
    tags |= {name: texts for name, texts in old.items() if not all(text.isascii() for text in texts)}
    if "Iptc.Application2.RecordVersion" not in fields:
        tags["Iptc.Application2.RecordVersion"] = "4"
    if metadata.title:
        tags["Iptc.Application2.Headline"] = _cut(metadata.title, MAX_HEADLINE_BYTES)
    if metadata.description:
        tags["Iptc.Application2.Caption"] = _cut(metadata.description, MAX_CAPTION_BYTES)
    if metadata.keywords:
        new = (_cut(keyword, MAX_KEYWORD_BYTES) for keyword in metadata.keywords)
        tags["Iptc.Application2.Keywords"] = _joined(old.get("Iptc.Application2.Keywords", ()), new)
    opened.modify_iptc(tags)


def _iptc_texts(fields: Tags, declared: str | None) -> dict[str, list[str]]:
    """The texts of each field that holds text."""
    return {
        name: [_decoded(text.encode("latin-1"), declared) for text in _as_list(field["value"])]
        for name, field in fields.items()
        if field["typeName"] == "String" and name != CHARACTER_SET
    }


def _decoded(text: bytes, declared: str | None) -> str:
    """Undeclared text is UTF-8 if it can be, else what Windows and Mac programs wrote: Latin-1 with its extras."""
    if declared in LATIN_1_DECLARED:
        return text.decode("latin-1")
    for encoding in ("utf-8", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            return text.decode(encoding)
    return text.decode("latin-1")


def _write_xmp(opened: "ImageData", metadata: Metadata) -> None:
    old = opened.read_xmp()
    tags: Tags = {}
    if metadata.title:
        tags["Xmp.dc.title"] = _with_default(old.get("Xmp.dc.title"), metadata.title)
    if metadata.description:
        tags["Xmp.dc.description"] = _with_default(old.get("Xmp.dc.description"), metadata.description)
    if metadata.keywords:
        tags["Xmp.dc.subject"] = _joined(_as_list(old.get("Xmp.dc.subject", [])), metadata.keywords)
    opened.modify_xmp(tags)
    opened.modify_raw_xmp(_with_subject_as_bag(opened.read_raw_xmp()))


def _with_default(old: object, text: str) -> dict[str, str]:
    """A text by language: the default one first and new, the others kept."""
    others = old if isinstance(old, dict) else {}
    return {X_DEFAULT: text} | {
        language: other for language, other in others.items() if language != X_DEFAULT
    }


def _with_subject_as_bag(packet: str) -> str:
    """pyexiv2 writes every array as an ordered one; dc:subject is unordered (XMP part 1, 8.3)."""
    return re.sub(
        r"(<dc:subject>\s*)<rdf:Seq>(.*?)</rdf:Seq>", r"\1<rdf:Bag>\2</rdf:Bag>", packet, flags=re.DOTALL
    )


def _joined(old: Sequence[str], new: Iterable[str]) -> list[str]:
    """The old ones as they are, then the new ones that are not among them in some spelling of case."""
    joined, seen = list(old), {keyword.casefold() for keyword in old}
    for keyword in new:
        if keyword.casefold() not in seen:
            seen.add(keyword.casefold())
            joined.append(keyword)
    return joined


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _cut(text: str, max_bytes: int) -> str:
    """At most `max_bytes` of UTF-8, never half a character."""
    return text.encode()[:max_bytes].decode(errors="ignore")


def _clean(metadata: Metadata) -> Metadata:
    keywords = (_printable(keyword) for keyword in metadata.keywords)
    return Metadata(
        _printable(metadata.title),
        _printable(metadata.description),
        tuple(keyword for keyword in keywords if keyword),
    )


_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _printable(text: str) -> str:
    """Without what XML 1.0 can't hold: control characters and lone surrogates."""
    return _NOT_IN_XML.sub("", text).strip()
