"""Proof that tagging does no harm: all of an image that is not metadata is the same before and after.

All else has to be there byte for byte and in its order: tables, frames and scans, ICC profiles, comments, segments and
chunks that nobody knows, and whatever follows the image's end: a phone's second picture, its video, a maker's trailer.

One thing may change: the index of a multi-picture file counts from where it lies itself, and says how long the first
picture is with its metadata. What it points to must be the same. Pure; nothing is decoded or copied.
"""

import hashlib
from collections.abc import Iterator

from gateway.errors import ContentError
from gateway.processor.container.multi_picture import picture_index
from gateway.processor.container.parts import parts


class ImageDataChanged(ContentError):
    """A tagged image would not be the same image: it must not take the original's place."""

    default_code = "image_data_changed"


def check_same_image_data(before: bytes, after: bytes) -> None:
    """Raises ImageDataChanged if anything but metadata differs."""
    there, here = image_data_hash(before), image_data_hash(after)
    if there != here:
        text = "Tags cannot be written into this image without a change to the image itself."
        raise ImageDataChanged(text, detail=f"SHA-256 of the image data {there} before, {here} after")


def image_data_hash(image: bytes) -> str:
    """SHA-256, in hexadecimal, of all of `image` that is not metadata. Any bytes have one."""
    digest = hashlib.sha256()
    for piece in _image_data(image):
        digest.update(piece)
    return digest.hexdigest()


def _image_data(image: bytes) -> Iterator[bytes | memoryview]:
    view, layout = memoryview(image), parts(image)
    for part in layout:
        if part.metadata:
            continue
        if index := picture_index(image, part):
            yield index.shifted(first=-layout[-1].start, others=index.header_at - len(image))
        else:
            yield view[part.start : part.end]
