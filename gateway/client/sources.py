"""What a caller gives as the images of a batch."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LocalImage = Path | tuple[str, bytes]
ImageSource = LocalImage | str
"""A file, a name with its bytes, or a URL that the gateway downloads."""

_URL: Final = re.compile(r"\s*https?://", re.IGNORECASE)


def sources_of(images: object) -> tuple[ImageSource, ...]:
    """Each of them, in their order; from a generator too.

    Raises TypeError where there is no list, or something in it is no image, and ValueError for a text that is no URL.
    Neither repeats a text, in which there may be a password.
    """
    if _is_one(images) or not isinstance(images, Iterable):
        raise TypeError('images: a list is expected, be it of one image: [Path("photo.jpg")]')
    return tuple(_source(place, image) for place, image in enumerate(images))


def _is_one(images: object) -> bool:
    """Of those images that Python would take for a list, of letters say."""
    match images:
        case str() | bytes() | (str(), bytes()):
            return True
    return False


def _source(place: int, image: object) -> ImageSource:
    match image:
        case Path():
            return image
        case (str() as name, bytes() as content):
            return name, content
        case str() if _URL.match(image):
            return image
        case str():
            raise ValueError(f"images[{place}]: a text is a URL, http://... or https://...; a file is a Path")
    raise TypeError(
        f"images[{place}]: none of a Path, a pair of name and bytes, a URL, but of type {type(image).__name__}"
    )
