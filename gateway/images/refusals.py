"""Why an image is refused once its structure is read: an error for each problem, by its name.

What never began as an image is refused in `signatures.py`.
"""

from gateway.errors import ContentError
from gateway.images.limits import ImageLimits


def damaged(why: str) -> ContentError:
    return ContentError(f"The image is damaged: {why}.", code="damaged")


def disguised(kind: str, looks_like: str) -> ContentError:
    """It has the first bytes of a `kind` of image, and then is another file."""
    text = f"Not an image: behind the first bytes of a {kind} it looks like {looks_like}. Send JPEG or PNG."
    return ContentError(text, code="not_an_image")


def polyglot(other: str) -> ContentError:
    """A whole image, and another file behind it that programs would open as well."""
    return ContentError(f"The image is two files in one: behind its end lies {other}.", code="polyglot")


def not_decodable(kind: str) -> ContentError:
    """A rare kind of JPEG."""
    text = f"{kind} is not taken; send a baseline or progressive JPEG of 8 bits, or a PNG."
    return ContentError(text, code="unsupported_type")


def decompression_bomb(why: str) -> ContentError:
    return ContentError(f"The image is a decompression bomb: {why}.", code="decompression_bomb")


def too_many_pixels(width: int, height: int, limits: ImageLimits) -> ContentError:
    text = f"The image has {width} x {height} pixels; at most {limits.max_pixels} are taken."
    return ContentError(text, code="too_many_pixels")


def too_many_pixels_together(limits: ImageLimits) -> ContentError:
    text = f"The frames of the image have more than {limits.max_pixels} pixels together."
    return ContentError(text, code="too_many_pixels")


def too_many_frames(frames: int, limits: ImageLimits) -> ContentError:
    text = f"The image has {frames} frames; at most {limits.max_frames} are taken."
    return ContentError(text, code="too_many_frames")


def too_much_metadata(limits: ImageLimits) -> ContentError:
    text = f"Besides its picture the image has more than {limits.max_metadata_bytes} bytes of metadata."
    return ContentError(text, code="too_much_metadata")


def trailing_data(limits: ImageLimits) -> ContentError:
    text = f"More than {limits.max_trailing_bytes} bytes stand behind the end of the image."
    return ContentError(text, code="trailing_data")
