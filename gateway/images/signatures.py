"""What the first bytes of a file say it is.

JPEG and PNG are taken; anything else is refused with the name of what it looks like, so that whoever sent it
can see the mistake. Pure; 16 bytes are enough, but for what only more of them tell. Whether the rest is sound is
`inspect.py`'s question.
"""

from enum import StrEnum

from gateway.errors import ContentError
from gateway.images.foreign import TAR, TEXT, XML, foreign_format, harmful_format
from gateway.images.refusals import damaged, disguised

HEAD_BYTES = 16
MORE_HEAD_BYTES = 265
"""What it takes to tell a tar archive from text: its mark stands behind the first file's name, mode and size."""

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

    @property
    def signature(self) -> bytes:
        """The first bytes of each such file."""
        return JPEG_SIGNATURE if self is ImageType.JPEG else PNG_SIGNATURE


def image_type(head: bytes) -> ImageType | None:
    """The type of a file that begins with `head`; None if it is neither JPEG nor PNG, or not clear yet."""
    if head.startswith(JPEG_SIGNATURE):
        return ImageType.JPEG
    if head.startswith(PNG_SIGNATURE):
        return ImageType.PNG
    return None


def is_told_by(head: bytes) -> bool:
    """Whether the first 16 bytes say for sure what a file is, though it is no image that is taken."""
    return (
        _is_broken_start(head) or bool(_image_format(head)) or foreign_format(head) not in (None, TEXT, XML)
    )


def refusal(head: bytes) -> ContentError:
    """Why a file is refused that begins with `head`: 16 bytes, or MORE_HEAD_BYTES if these do not tell, or all."""
    if not head:
        return ContentError("The image is empty (0 bytes).", code="not_an_image")
    for kind, start in _BEGINNINGS.items():
        if head.startswith(start) and (looks_like := harmful_format(head.removeprefix(start))):
            return disguised(kind.name, looks_like)
    if _is_broken_start(head):
        return damaged("its very first bytes are wrong or missing")
    if image_format := _image_format(head):
        return ContentError(f"{image_format} is not taken; send JPEG or PNG.", code="unsupported_type")
    looks_like = TAR if _is_tar(head) else foreign_format(head) or "data of an unknown kind"
    return ContentError(f"Not an image: it looks like {looks_like}. Send JPEG or PNG.", code="not_an_image")


def _is_broken_start(head: bytes) -> bool:
    return (
        head.startswith(tuple(_BEGINNINGS.values()))
        or PNG_SIGNATURE.startswith(head)
        or JPEG_SIGNATURE.startswith(head)
    )


_BEGINNINGS = {ImageType.JPEG: b"\xff\xd8", ImageType.PNG: b"\x89PNG"}
"""So much of a signature tells what a file was meant to be."""


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


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
    (b"II\xbc\1", "JPEG XR"),
    (b"II\x1a\0\0\0HEAPCCDR", "Canon raw (CRW)"),
    (b"FOVb", "Sigma raw"),
    (b"\0MRM", "Minolta raw"),
    (b"\0\0\1\0", "An icon (ICO)"),
    (b"\0\0\2\0", "A cursor (CUR)"),
    (b"icns", "An icon (ICNS)"),
    (b"gimp xcf", "GIMP (XCF)"),
    (b"v/1\1", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"DDS ", "DDS"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"AT&TFORM", "DjVu"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"P3\n", "PPM"),
    (b"P4\n", "PBM"),
    (b"P5\n", "PGM"),
    (b"P6\n", "PPM"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x8aMNG", "MNG"),
    (b"\x8bJNG", "JNG"),
    (b"qoif", "QOI"),
    (b"<svg", "SVG"),
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
    b"heif": "HEIF",
    b"mif2": "HEIF",
    b"jxl ": "JPEG XL",
    b"jp2 ": "JPEG 2000",
    b"crx ": "Canon raw (CR3)",
}


def _image_format(head: bytes) -> str | None:
    named = (name for signature, name in _IMAGE_FORMATS if head.startswith(signature))
    return next(named, None) or _boxed_format(head)


def _boxed_format(head: bytes) -> str | None:
    """Formats whose mark does not stand at the very beginning."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "BMP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return None
