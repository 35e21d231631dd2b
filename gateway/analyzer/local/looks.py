"""How a picture looks: its shape, whether it is dark or bright, whether it is blurred. Said only when it is plain."""

from PIL import Image, ImageChops

MOSTLY_DARK, MOSTLY_BRIGHT = 50, 205  # mean luminance, 0 to 255
DARKEST_TENTH_FROM_TOP = 130  # a night with a bright window is dark; a portrait on black is not

SQUARE_RATIO = 1.03
PANORAMA_RATIO = 2.2  # 2.39 is the widest that films are, 16:9 is 1.78

COARSE_CELLS = 32
STRONG_EDGE = 40  # of 255, from one cell to the next
BLURRED_RATIO = 8  # a strong edge of a picture in focus falls by half within a pixel or two


def shape_of(width: int, height: int) -> str:
    longer, shorter = max(width, height), min(width, height)
    if longer <= shorter * SQUARE_RATIO:
        return "square format"
    if width >= height * PANORAMA_RATIO:
        return "panorama"
    return "landscape format" if width > height else "portrait format"


def brightness_of(luminance: Image.Image) -> str:
    """ "dark", "bright" or nothing, of a picture in mode L."""
    histogram = luminance.histogram()
    mean = sum(value * count for value, count in enumerate(histogram)) / max(sum(histogram), 1)
    if mean < MOSTLY_DARK and _percentile(histogram, 0.9) < DARKEST_TENTH_FROM_TOP:
        return "dark"
    return "bright" if mean > MOSTLY_BRIGHT else ""


def sharpness_of(luminance: Image.Image) -> str:
    """ "blurred" when strong edges exist and not one of them is steep; nothing in all other cases.

    Compares the greatest steps between coarse cells with those between neighbouring pixels. A clear sky or a
    plain wall has neither, and nothing is said of it.
    """
    coarse = _steps(luminance.resize((COARSE_CELLS, COARSE_CELLS), Image.Resampling.BOX))
    strongest = _percentile(coarse, 0.99)
    if strongest < STRONG_EDGE or min(luminance.size) < 4 * COARSE_CELLS:
        return ""
    steepest = _percentile(_steps(luminance), 0.9995)
    return "blurred" if steepest * BLURRED_RATIO < strongest else ""


def _steps(luminance: Image.Image) -> list[int]:
    """How often each difference between neighbours occurs, to the right and downwards."""
    width, height = luminance.size
    right = ImageChops.difference(
        luminance.crop((0, 0, width - 1, height)), luminance.crop((1, 0, width, height))
    )
    down = ImageChops.difference(
        luminance.crop((0, 0, width, height - 1)), luminance.crop((0, 1, width, height))
    )
    return [one + other for one, other in zip(right.histogram(), down.histogram(), strict=True)]


def _percentile(histogram: list[int], share: float) -> int:
    wanted = share * sum(histogram)
    seen = 0
    for value, count in enumerate(histogram):
        seen += count
        if seen >= wanted:
            return value
    return len(histogram) - 1
