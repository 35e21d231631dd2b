"""Writes title, description, keywords and writer into a JPEG or PNG: EXIF, IPTC and XMP, each field into all of them.

A policy says what becomes of words that are there. All other metadata stays as it is, and so does the image itself,
byte for byte, which is proven each time. A text is cut only where IPTC has no room for it.

Runs in a helper process, never in the service: pyexiv2 is GPLv3 and not thread-safe, and this is the only
module that imports it, when a tag is to be written. It is the extra `processor`.
"""

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from gateway.errors import ContentError
from gateway.failure_codes import TAGGING_FAILED
from gateway.images.signatures import image_type
from gateway.metadata import Metadata, MetadataPolicy
from gateway.processor import exif, iptc, xmp
from gateway.processor.found import found
from gateway.processor.grafting import with_metadata_of
from gateway.processor.image_data import check_same_image_data
from gateway.processor.policy import AUTO, decide
from gateway.processor.segments import (
    APP1,
    JPEG_START,
    SEGMENT_HEAD_BYTES,
    segments,
    with_current_digest,
    with_times_of,
)
from gateway.processor.texts import fit_to_write

if TYPE_CHECKING:
    from pyexiv2 import ImageData

INSTALL_COMMAND: Final = "pip install 'batch-gateway[processor]'"

EXIV2_ERRORS: Final = (RuntimeError, ValueError)
"""All that Exiv2 and its binding raise."""


class TaggingFailed(ContentError):
    """The tags could not be written into this image."""

    default_code = TAGGING_FAILED


def processor_available() -> bool:
    """Whether tags can be written here; if not, INSTALL_COMMAND helps. Imports nothing."""
    return find_spec("pyexiv2") is not None


def write_tags(image: bytes, words: Metadata, policy: MetadataPolicy = AUTO) -> bytes:
    """`image` with `words` in it as `policy` says; unchanged if there is nothing to write.

    Raises TaggingFailed, ImageDataChanged.
    """
    words = fit_to_write(words)
    if words.is_empty:
        return image
    if image_type(image) is None:
        raise TaggingFailed("Tags can only be written into JPEG and PNG images.")
    tagged = with_metadata_of(_tagged_copy(image, words, policy), image)
    check_same_image_data(image, tagged)
    return tagged


def _tagged_copy(image: bytes, words: Metadata, policy: MetadataPolicy) -> bytes:
    """With the tags, and with what Exiv2 changes beside them."""
    try:
        return _tagged(image, words, policy, with_exif=True)
    except EXIV2_ERRORS as error:
        if any(_exif_segments(image)):
            return _tagged_beside_exif(image, words, policy)
        raise _failed(error) from error


def _tagged(image: bytes, words: Metadata, policy: MetadataPolicy, *, with_exif: bool) -> bytes:
    standards = (exif, iptc, xmp) if with_exif else (iptc, xmp)
    opened = _open(image)
    try:
        there = {standard: standard.read(opened) for standard in standards}
        changes = decide(found(there.get(exif, Metadata()), there[iptc], there[xmp]), words, policy)
        if changes.is_empty:
            return image
        for standard in standards:
            standard.write(opened, changes)
        tagged = bytes(opened.get_bytes())
    finally:
        opened.close()
    return with_current_digest(with_times_of(image, tagged))


def _tagged_beside_exif(image: bytes, words: Metadata, policy: MetadataPolicy) -> bytes:
    """IPTC and XMP only: EXIF that is damaged would lose something by being written, so it stays as it is."""
    blocks = list(_exif_segments(image))
    without = image
    for start, end in reversed(blocks):
        without = without[:start] + without[end:]
    try:
        tagged = _tagged(without, words, policy, with_exif=False)
    except EXIV2_ERRORS as error:
        raise _failed(error) from error
    return JPEG_START + b"".join(image[start:end] for start, end in blocks) + tagged[len(JPEG_START) :]


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
