"""Names of images: what an image is called when nobody said, and a name that is safe in a key or a message.

The client's own name is kept elsewhere as it was given. The safe one goes into `original_filename` of messages
and so into object keys and file names, as the contract says; it ends as the content demands.
"""

import re
import unicodedata
from posixpath import splitext
from urllib.parse import unquote, urlsplit

from gateway.images.signatures import ImageType

MAX_NAME_BYTES = 255
"""What file systems allow for one name, in UTF-8."""

_MAX_READ = 1024
"""Characters of a name that are looked at, half of them from its end. To bring combining marks into their order takes a
time that grows with the square of their number."""

_EXTENSIONS = {ImageType.JPEG: (".jpg", ".jpeg"), ImageType.PNG: (".png",)}

_IMAGE_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp"}
) | frozenset({".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif", ".jxl"})
"""Endings that claim to be an image's: a wrong one is replaced, where any other is part of the name."""

_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"  # control characters, line ends, lone surrogates
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # right-to-left tricks: `gpj.exe` shown backwards
)
_PLAIN = {
    kind: re.compile(rf"[\w-](?:[\w .-]{{0,240}}[\w-])?(?:{'|'.join(map(re.escape, endings))})", re.ASCII)
    for kind, endings in _EXTENSIONS.items()
}
"""Names that are safe as they are, as most are; what is safe besides them is found so by making it safe."""
_BLANKS_AND_DOTS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "."


def safe_name(name: str, image_type: ImageType) -> str:
    """A name like `name` that can be one part of a key: safe to store, to send, and to write to a disk.

    Not empty, no slash or backslash, never `.` or `..`, no control characters, no lone surrogates, NFC, at most
    255 bytes of UTF-8, ending .jpg, .jpeg or .png as `image_type` says. Of a path the last part is taken. A PNG
    called `a.jpg` becomes `a.png`; other endings stay (`scan.v2` becomes `scan.v2.png`). Making a safe name safe
    changes nothing.
    """
    if _PLAIN[image_type].fullmatch(name):
        return name
    stem, extension = splitext(_trimmed(_readable(_last_part(name))))
    if extension.lower() in _EXTENSIONS[image_type]:
        extension = extension.lower()
    else:
        stem += "" if extension.lower() in _IMAGE_EXTENSIONS else extension
        extension = f".{image_type.extension}"
    stem = _trimmed(_cut(_trimmed(stem), MAX_NAME_BYTES - len(extension)))
    return (stem or "image") + extension


def name_from_url(url: str, index: int) -> str:
    """What a URL's image is called: the last part of its path, percent-decoded, else `default_name`.

    Of a part of more than 1024 characters, its ends.
    """
    try:
        path = urlsplit(url).path
    except ValueError:
        return default_name(index)
    name = _readable(_last_part(unquote(path)))
    return name if _trimmed(name) else default_name(index)


def default_name(index: int) -> str:
    """What the image at `index` (from 0) of a batch is called when nothing names it."""
    return f"image-{index}"


def _readable(name: str) -> str:
    """Without what cannot be shown or deceives; NFC last, for a dropped character may have kept two apart."""
    if len(name) > _MAX_READ:
        name = name[: _MAX_READ // 2] + name[-_MAX_READ // 2 :]
    return unicodedata.normalize("NFC", _UNSAFE.sub("", name))


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _trimmed(name: str) -> str:
    """Without blanks and dots at its ends: they hide files, mean folders, or vanish on other systems."""
    return name.strip(_BLANKS_AND_DOTS)


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")
