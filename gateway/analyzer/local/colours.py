"""Colours by the names that people use for them; the names of CSS (gainsboro) help nobody.

A colour gets the name of the nearest of about thirty, measured in OKLab, where equal distances look equally
different (Björn Ottosson, "A perceptual color space for image processing", 2020).
"""

from collections.abc import Mapping
from functools import cache

from PIL import Image, ImageChops, ImageStat

Rgb = tuple[int, int, int]
Lab = tuple[float, float, float]

FAMILIES: dict[str, dict[str, Rgb]] = {
    "black": {"black": (18, 18, 18)},
    "grey": {"dark grey": (70, 70, 70), "grey": (128, 128, 128), "light grey": (195, 195, 195)},
    "white": {"white": (250, 250, 250)},
    "red": {"red": (205, 30, 40), "dark red": (115, 15, 25), "coral": (248, 125, 105)},
    "pink": {"pink": (245, 165, 190), "magenta": (210, 35, 130)},
    "orange": {"orange": (245, 140, 30), "orange-brown": (175, 95, 40)},
    "brown": {"brown": (115, 75, 45), "dark brown": (60, 38, 22), "tan": (185, 145, 105)},
    "beige": {"beige": (220, 200, 165), "cream": (250, 240, 212)},
    "yellow": {"yellow": (250, 225, 60), "gold": (205, 160, 45)},
    "green": {
        "green": (60, 145, 60),
        "dark green": (25, 70, 35),
        "light green": (155, 215, 150),
        "yellow-green": (165, 200, 60),
        "olive": (115, 115, 45),
    },
    "turquoise": {"turquoise": (60, 195, 190), "teal": (15, 120, 115)},
    "blue": {
        "blue": (35, 95, 205),
        "dark blue": (22, 60, 110),
        "light blue": (150, 200, 235),
        "grey-blue": (105, 130, 160),
    },
    "purple": {"purple": (110, 50, 145), "lilac": (190, 160, 215)},
}
NEUTRAL = frozenset({"black", "grey", "white"})
BLACK_AND_WHITE = "black and white"

MAX_COLOURS = 2
MIN_SHARE = 0.15
MIN_NEUTRAL_SHARE = 0.35
"""Every photo has shadows and a pale sky: these say something only when they fill a good part of it."""
MIN_SHARE_OF_FAMILY = 0.6
"""Leaves in all greens are green; only what is mostly dark green is called so."""

QUANTISED = 64
OPAQUE = 128
GREY_TOLERANCE = 6
MIN_CONTRAST = 64  # of 255; less is a plain surface


def dominant_colours(picture: Image.Image) -> tuple[str, ...]:
    """The names of at most two colours that fill much of an RGB or RGBA `picture`, the larger share first.

    A picture in greys alone is "black and white". None when no colour fills enough, or nothing is opaque.
    """
    if _is_black_and_white(picture):
        return (BLACK_AND_WHITE,)
    shares = _shares_of_names(picture)
    by_family = {family: _named(family, shares) for family in FAMILIES}
    told = [named for family, named in by_family.items() if named[1] >= _least_share(family)]
    return tuple(name for name, _ in sorted(told, key=lambda named: -named[1])[:MAX_COLOURS])


def _is_black_and_white(picture: Image.Image) -> bool:
    """Greys of several kinds and nothing else; rounding in a JPEG makes a grey pixel miss by a few."""
    red, green, blue = picture.convert("RGB").split()
    differences = ImageChops.difference(red, green), ImageChops.difference(green, blue)
    if any(any(difference.histogram()[GREY_TOLERANCE + 1 :]) for difference in differences):
        return False
    ((darkest, brightest),) = ImageStat.Stat(green).extrema
    return brightest - darkest > MIN_CONTRAST


@cache
def name_of(colour: Rgb) -> str:
    """The everyday name that is nearest to `colour`."""
    return min(_OKLAB, key=lambda name: _distance(_oklab(colour), _OKLAB[name]))


def _named(family: str, shares: Mapping[str, float]) -> tuple[str, float]:
    """What to call a family of colours in this picture, and its share."""
    members = {name: shares.get(name, 0.0) for name in FAMILIES[family]}
    total, largest = sum(members.values()), max(members, key=lambda name: members[name])
    return (largest if members[largest] >= total * MIN_SHARE_OF_FAMILY else family), total


def _least_share(family: str) -> float:
    return MIN_NEUTRAL_SHARE if family in NEUTRAL else MIN_SHARE


def _shares_of_names(picture: Image.Image) -> dict[str, float]:
    """The names of the opaque pixels' colours to the share that they fill."""
    quantised = picture.convert("RGB").quantize(QUANTISED, Image.Quantize.FASTOCTREE)
    counts = quantised.histogram(_opaque_part(picture))
    total = sum(counts)
    flat = quantised.getpalette() or []
    palette = zip(flat[0::3], flat[1::3], flat[2::3], strict=True)
    shares: dict[str, float] = {}
    for colour, count in zip(palette, counts, strict=False):  # the palette may be shorter
        if count:
            shares[name_of(colour)] = shares.get(name_of(colour), 0.0) + count / total
    return shares


def _opaque_part(picture: Image.Image) -> Image.Image | None:
    if picture.mode != "RGBA":
        return None
    return picture.getchannel("A").point(lambda alpha: 255 * (alpha >= OPAQUE))


def _oklab(colour: Rgb) -> Lab:
    r, g, b = (_linear(channel / 255) for channel in colour)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _linear(channel: float) -> float:
    """sRGB's curve undone (IEC 61966-2-1)."""
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _distance(one: Lab, other: Lab) -> float:
    """Differences of hue weigh more than those of lightness: dark yellow is not brown's neighbour by chance."""
    lightness, a, b = (mine - theirs for mine, theirs in zip(one, other, strict=True))
    return lightness * lightness + 4 * (a * a + b * b)


_OKLAB = {name: _oklab(colour) for members in FAMILIES.values() for name, colour in members.items()}
