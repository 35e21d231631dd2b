"""Small real images, drawn once, and damaged on request."""

import io
from functools import cache

from PIL import Image


@cache
def a_jpeg(width: int = 64, height: int = 48) -> bytes:
    return _saved(_gradient(width, height), "JPEG")


@cache
def a_png(width: int = 64, height: int = 48) -> bytes:
    return _saved(_gradient(width, height), "PNG")


def a_truncated_jpeg() -> bytes:
    return a_jpeg()[: len(a_jpeg()) * 2 // 3]


def padded(image: bytes, size: int) -> bytes:
    """The JPEG, made `size` bytes long by comment segments."""
    head, rest = image[:2], image[2:]
    missing = size - len(image)
    segments = bytearray()
    while missing > 0:
        length = min(missing, 65_000) if missing - min(missing, 65_000) not in range(1, 5) else missing - 5
        segments += b"\xff\xfe" + (length - 2).to_bytes(2, "big") + bytes(length - 4)
        missing -= length
    return head + bytes(segments) + rest


def _gradient(width: int, height: int) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def _saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()
