"""What clients send: images that are like no other, and the bodies that carry them."""

import asyncio
import base64
import random
import struct
import zlib
from collections.abc import Sequence

from tests.chaos.records import Sent
from tests.photos import a_jpeg, a_png, padded
from tests.servers.web import Page, Request, Site, image

LONGEST_DOWNLOAD_MS = 600


def a_jpeg_named(name: str) -> Sent:
    """It carries its name, so that its bytes are like no other's."""
    comment = b"\xff\xfe" + struct.pack(">H", len(name) + 2) + name.encode()
    return Sent(f"{name}.jpg", a_jpeg()[:2] + comment + a_jpeg()[2:])


def a_png_named(name: str) -> Sent:
    """Likewise."""
    text = b"tEXtComment\0" + name.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return Sent(f"{name}.png", a_png()[:33] + chunk + a_png()[33:])


def undecodable(name: str) -> Sent:
    """A PNG whose structure is right and whose picture nobody can decode: no filter has the number of its rows'."""
    good = a_png_named(name).content
    at = good.index(b"IDAT")
    (length,) = struct.unpack(">I", good[at - 4 : at])
    pixels = zlib.decompress(good[at + 4 : at + 4 + length])
    width, _height = struct.unpack(">II", good[16:24])
    row = 1 + 3 * width
    rows = (pixels[start + 1 : start + row] for start in range(0, len(pixels), row))
    broken = b"IDAT" + zlib.compress(b"".join(b"\xff" + each for each in rows))
    head, checksum = struct.pack(">I", len(broken) - 4), struct.pack(">I", zlib.crc32(broken))
    return Sent(f"{name}.png", good[: at - 4] + head + broken + checksum + good[at + 4 + length + 4 :])


def enlarged(jpeg: Sent, size: int) -> Sent:
    """Of so many bytes, the picture as it was."""
    return Sent(jpeg.name, padded(jpeg.content, size))


def some_images(dice: random.Random, name: str, *, with_pngs: bool = True) -> list[Sent]:
    """One to four."""
    names = [f"{name}-{number}" for number in range(dice.randint(1, 4))]
    return [a_png_named(each) if dice.random() < 0.5 and with_pngs else a_jpeg_named(each) for each in names]


def multipart(images: Sequence[Sent]) -> tuple[str, bytes]:
    """Content type and body."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="i"; filename="{each.name}"\r\n\r\n'.encode()
        + each.content
        for each in images
    ]
    return "multipart/form-data; boundary=b", b"\r\n".join([*parts, b"--b--\r\n"])


def in_base64(images: Sequence[Sent]) -> tuple[str, bytes]:
    """Content type and body."""
    members = (
        f'{{"base64": "{base64.b64encode(each.content).decode()}", "name": "{each.name}"}}' for each in images
    )
    return "application/json", f'{{"images": [{", ".join(members)}]}}'.encode()


def by_url(images: Sequence[Sent], site: Site) -> tuple[str, bytes]:
    """Content type and body; the images lie on the site from now on, and take their time to come."""
    for each in images:
        takes_s = zlib.crc32(each.name.encode()) % LONGEST_DOWNLOAD_MS / 1000
        site.pages[f"/{each.name}"] = slow_image(each.content, takes_s)
    members = (f'{{"url": "{site.url(f"/{each.name}")}"}}' for each in images)
    return "application/json", f'{{"images": [{", ".join(members)}]}}'.encode()


def slow_image(content: bytes, takes_s: float) -> Page:
    """A page that waits before it answers."""

    async def page(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(takes_s)
        await image(content)(request, writer)

    return page
