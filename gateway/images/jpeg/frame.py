"""The frame header of a JPEG: its size, and whether decoders can take what it says.

What is taken is what libjpeg-turbo decodes: baseline, extended, progressive and lossless pictures of 8 bits, Huffman
and arithmetic coding, of one, three or four components. ITU-T T.81, B.2.2.
"""

from struct import unpack
from typing import Final

from gateway.images.refusals import damaged, not_decodable

FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

_UNDECODABLE: Final = {
    0xC5: "A hierarchical JPEG",
    0xC6: "A hierarchical JPEG",
    0xC7: "A hierarchical JPEG",
    0xC8: "A JPEG with extensions",
    0xCB: "A lossless JPEG with arithmetic coding",
    0xCD: "A hierarchical JPEG",
    0xCE: "A hierarchical JPEG",
    0xCF: "A hierarchical JPEG",
    0xDE: "A hierarchical JPEG",
    0xDF: "A hierarchical JPEG",
    0xF7: "JPEG-LS",
}
"""By their markers: frame headers, and what announces them."""

_FIXED_BYTES, _COMPONENT_BYTES = 6, 3
ENOUGH_BYTES: Final = _FIXED_BYTES + 4 * _COMPONENT_BYTES + 1
"""As much of a frame header is looked at: one that is longer is wrong."""
_SAMPLING_FACTORS: Final = range(1, 5)


def check_decodable(marker: int) -> None:
    """Raises ContentError (`unsupported_type`) for a kind of JPEG that no common decoder knows."""
    if kind := _UNDECODABLE.get(marker):
        raise not_decodable(kind)


def frame_size(content: bytes) -> tuple[int, int]:
    """Width and height in a frame header. Raises ContentError (`damaged`, `unsupported_type`)."""
    if len(content) < _FIXED_BYTES:
        raise damaged("its JPEG frame header is wrong")
    bits, height, width, components = unpack(">BHHB", content[:_FIXED_BYTES])
    if bits in range(2, 17) and bits != 8:
        raise not_decodable(f"A JPEG of {bits} bits a sample")
    if components == 2:
        raise not_decodable("A JPEG of 2 components")
    if (
        bits != 8
        or components not in (1, 3, 4)
        or len(content) != _FIXED_BYTES + _COMPONENT_BYTES * components
        or not all(_is_sampling(factors) for factors in content[_FIXED_BYTES + 1 :: _COMPONENT_BYTES])
    ):
        raise damaged("its JPEG frame header is wrong")
    return width, height


def _is_sampling(factors: int) -> bool:
    horizontal, vertical = divmod(factors, 16)
    return horizontal in _SAMPLING_FACTORS and vertical in _SAMPLING_FACTORS
