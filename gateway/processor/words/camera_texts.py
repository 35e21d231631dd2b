"""Descriptions that nobody gave: cameras and phones write the same text into each photo, or where the file lay.

Whole texts only, letter for letter: what is somebody's word or name as well is not among them. Pure.
"""

import re
from typing import Final

_TEXTS: Final = frozenset(
    {
        "KODAK Digital Still Camera",
        "KONICA MINOLTA DIGITAL CAMERA",
        "MINOLTA DIGITAL CAMERA",
        "OLYMPUS DIGITAL CAMERA",
        "SAMSUNG",
        "SAMSUNG CAMERA PICTURES",
        "SONY DSC",
        # Left behind by programs in phones and scanners.
        "Exif_JPEG_PICTURE",
        "binary comment",
        "charset=Ascii",
        "default",
        # Modes of Huawei's cameras; others of them (burst, dav, edf, mon) could be a person's word.
        "btfhdr",
        "btfmdn",
        "fbthdr",
        "frontbhdp",
        "hdrpl",
        "mde_soft",
        "oznor",
        "oznorWO",
        "rhdr",
        "sdr_HDRB",
    }
)
_FORMS: Final = (
    # Where the file lay on the card: a folder and a name as DCF 2.0, section 3, has them. Drones write it.
    re.compile(r"DCIM[\\/]\d{3}\w{5}[\\/]\w{8}\.(?:JPE?G|DNG)", re.ASCII),
    re.compile(r"<Digimax [^<>]{1,40}>"),
)


def is_camera_text(description: str) -> bool:
    """Whether a camera wrote it by itself; blanks alone are nobody's either."""
    text = description.strip("\0 \t\r\n")
    return not text or text in _TEXTS or any(form.fullmatch(text) for form in _FORMS)
