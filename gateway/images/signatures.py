"""What the first bytes of a file say it is.

JPEG and PNG are taken; anything else is refused with the name of what it looks like, so that whoever sent it
can see the mistake. Pure, and 16 bytes are enough. Whether the rest is sound is `inspect.py`'s question.
"""

from collections.abc import Iterable
from enum import StrEnum

from gateway.errors import ContentError

HEAD_BYTES = 16

JPEG_SIGNATURE = b"\xff\xd8\xff"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class ImageType(StrEnum):
    """A kind of image that the gateway takes."""

    JPEG = "jpeg"
    PNG = "png"

    @property
    def media_type(self) -> str:
        return f"image/{self.value}"

    @property
    def extension(self) -> str:
        return "jpg" if self is ImageType.JPEG else "png"


def image_type(head: bytes) -> ImageType | None:
    """The type of a file that begins with `head`; None if it is neither JPEG nor PNG, or not clear yet."""
    if head.startswith(JPEG_SIGNATURE):
        return ImageType.JPEG
    if head.startswith(PNG_SIGNATURE):
        return ImageType.PNG
    return None


def refusal(head: bytes) -> ContentError:
    """Why a file is refused whose first 16 bytes are `head` (all that there are, if fewer)."""
    if not head:
        return ContentError("The image is empty (0 bytes).", code="not_an_image")
    if head.startswith((b"\xff\xd8", b"\x89PNG")) or PNG_SIGNATURE.startswith(head) or head == b"\xff":
        return ContentError(
            "The image is damaged: its very first bytes are wrong or missing.", code="damaged"
        )
    if image_format := _named(head, _IMAGE_FORMATS) or _boxed_format(head):
        text = f"{image_format} is not taken; send JPEG or PNG."
        return ContentError(text, code="unsupported_type")
    looks_like = _other_format(head) or "data of an unknown kind"
    return ContentError(f"Not an image: it looks like {looks_like}. Send JPEG or PNG.", code="not_an_image")


_IMAGE_FORMATS = (
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF (or a camera's raw format)"),
    (b"MM\0*", "TIFF (or a camera's raw format)"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"IIU\0", "Panasonic raw"),
    (b"IIRO", "Olympus raw"),
    (b"FUJIFILMCCD-RAW", "Fujifilm raw"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x8aMNG", "MNG"),
    (b"\x8bJNG", "JNG"),
    (b"qoif", "QOI"),
    (b"<svg", "SVG"),
)

_OTHER_FORMATS = (
    (b"%PDF-", "a PDF document"),
    (b"PK\3\4", "a ZIP archive (or an office document)"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"OggS", "an Ogg sound or film"),
    (b"ID3", "an MP3 sound"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM film"),
    (b"data:", "a data URI"),
    (b"/9j/", "a JPEG as base64 text"),
    (b"iVBORw0KGgo", "a PNG as base64 text"),
)

_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"crx ": "Canon raw (CR3)",
}


def _named(head: bytes, formats: Iterable[tuple[bytes, str]]) -> str | None:
    return next((name for signature, name in formats if head.startswith(signature)), None)


def _boxed_format(head: bytes) -> str | None:
    """Formats whose mark does not stand at the very beginning."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "BMP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return None


def _other_format(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return "an MP4 or QuickTime film"
    return _named(head, _OTHER_FORMATS) or _text_format(head)


def _text_format(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if text.startswith(b"<"):
        return "an XML document"
    if text.startswith((b"{", b"[")):
        return "JSON"
    return "text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False
        text = head[: error.start].decode("utf-8")  # the 16 bytes end within a character
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
