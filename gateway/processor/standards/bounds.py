"""How much XMP and IPTC an image may bring along to be tagged.

The time that Exiv2 takes grows with the square of their number of fields: a megabyte of made-up ones keeps it busy for
a minute. Real photos have some kilobytes, a JPEG has no room for more than 64 KiB of XMP, and a PNG has no bound of its
own. What a compressed chunk expands to Exiv2 bounds by itself, at 128 KiB. Pure.
"""

import re
from typing import Final

from gateway.errors import ContentError
from gateway.failure_codes import TAGGING_FAILED
from gateway.processor.container.grafting import Pieces
from gateway.processor.container.parts import PHOTOSHOP

MAX_BYTES: Final = 256 * 1024
"""Of one kind. Photoshop's resources, which hold IPTC in a JPEG, may be larger: a preview and paths are among them."""
MAX_DATA_SETS: Final = 10_000
"""IPTC fields in Photoshop's resources."""

_DATA_SET_START: Final = re.compile(rb"\x1c[\x01-\x09]")
"""IPTC-IIM 4.2, 1.6: the tag marker and the number of a record. Chance has it once in 7000 bytes."""


class TooMuchMetadata(ContentError):
    """The image has more metadata than is taken along."""

    default_code = TAGGING_FAILED


def check_bounds(metadata: Pieces) -> None:
    """Raises TooMuchMetadata. `metadata` is what Exiv2 is to read."""
    for kind, pieces in metadata.items():
        size = sum(map(len, pieces))
        if kind != PHOTOSHOP and size > MAX_BYTES:
            text = f"The image has {size} bytes of XMP or IPTC; at most {MAX_BYTES} are taken along."
            raise TooMuchMetadata(text)
    fields = sum(len(_DATA_SET_START.findall(piece)) for piece in metadata.get(PHOTOSHOP, []))
    if fields > MAX_DATA_SETS:
        text = f"The image has {fields} fields of IPTC; at most {MAX_DATA_SETS} are taken along."
        raise TooMuchMetadata(text)
