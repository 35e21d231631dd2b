"""Bodies of many large images, told piece by piece: of a gigabyte that is sent, one image lies in memory."""

import base64
import random
from collections.abc import Iterator
from functools import cache
from typing import Final, Literal

from attrs import frozen

from tests.photos import a_jpeg

Kind = Literal["json", "escaped", "multipart"]
"""`escaped`: JSON as some libraries write it, each slash of the base64 as `\\/`."""

IMAGE_BYTES: Final = 10 * 1024 * 1024
BOUNDARY: Final = "a-boundary-that-no-image-holds"
_SEGMENT_BYTES: Final = 65_000
_LARGEST_HEADER: Final = 4


@frozen
class LargeBody:
    """So many images, each of `image_bytes` bytes."""

    kind: Kind
    images: int
    image_bytes: int = IMAGE_BYTES

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={BOUNDARY}" if self.kind == "multipart" else "application/json"

    @property
    def length(self) -> int:
        return sum(map(len, self.pieces()))

    def pieces(self) -> Iterator[bytes]:
        image = _sent(self.kind, self.image_bytes)
        for number in range(self.images):
            yield self._before(number)
            yield image
            yield self._after(number)

    def _before(self, number: int) -> bytes:
        if self.kind == "multipart":
            disposition = f'Content-Disposition: form-data; name="images"; filename="{number}.jpg"'
            return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
        return (b'{"images": [' if number == 0 else b", ") + b'{"name": "%d.jpg", "base64": "' % number

    def _after(self, number: int) -> bytes:
        is_last = number == self.images - 1
        if self.kind == "multipart":
            return f"\r\n--{BOUNDARY}--\r\n".encode() if is_last else b"\r\n"
        return b'"}]}' if is_last else b'"}'


@cache
def _sent(kind: Kind, image_bytes: int) -> bytes:
    image = grainy_jpeg(image_bytes)
    if kind == "multipart":
        return image
    encoded = base64.b64encode(image)
    return encoded.replace(b"/", rb"\/") if kind == "escaped" else encoded


def grainy_jpeg(size: int) -> bytes:
    """A JPEG of so many bytes, any of which may be any, as in photos: noise in comment segments makes it large."""
    small, noise = a_jpeg(), random.Random(size)
    missing = size - len(small)
    segments = bytearray()
    while missing > 0:
        length = min(missing, _SEGMENT_BYTES)
        if 0 < missing - length < _LARGEST_HEADER:
            length -= _LARGEST_HEADER
        segments += b"\xff\xfe" + (length - 2).to_bytes(2, "big") + noise.randbytes(length - 4)
        missing -= length
    return small[:2] + bytes(segments) + small[2:]
