"""The outline of a batch from its JSON document: `{"images": [{"url" | "base64", "name"?}, ...], "options"?}`.

Every fault of its shape is told, with its JSON pointer.
"""

from typing import Any, Final

from yarl import URL

from gateway.errors import BadInput, Fault
from gateway.fetch.urls import UrlRefused, UrlUnreadable, readable
from gateway.intake.batch import BatchOutline, ImageOutline
from gateway.intake.options import read_options
from gateway.intake.shape import kind_of, not_an_object, refuse_any, unknown_fields

_MAX_URL: Final = 8192
_MAX_NAME: Final = 4096


def read_outline(batch: Any, max_images: int) -> BatchOutline:
    """What the document says, whatever its texts in base64 are. Raises BadInput."""
    if not isinstance(batch, dict):
        text = f"The body must be an object, not {kind_of(batch)}."
        raise BadInput(text, code="wrong_type", faults=[Fault("", "wrong_type", text)])
    faults = unknown_fields(batch, "", ("images", "options"))
    options = read_options(batch["options"], faults) if "options" in batch else None
    images = _read_images(batch, max_images, faults)
    refuse_any(faults)
    return BatchOutline(images, options)


def too_many_images(max_images: int) -> Fault:
    """Told as soon as it is known, wherever that is."""
    return Fault("/images", "too_many_images", f"a batch has 1 to {max_images} images, not more")


def _read_images(batch: dict[str, Any], max_images: int, faults: list[Fault]) -> tuple[ImageOutline, ...]:
    if "images" not in batch:
        faults.append(Fault("/images", "missing", "images is missing"))
        return ()
    images = batch["images"]
    if not isinstance(images, list):
        faults.append(Fault("/images", "wrong_type", f"images must be an array, not {kind_of(images)}"))
        return ()
    if not images:
        faults.append(Fault("/images", "no_images", f"a batch has 1 to {max_images} images, not 0"))
    if len(images) > max_images:
        faults.append(too_many_images(max_images))
        return ()
    return tuple(_read_image(image, f"/images/{index}", faults) for index, image in enumerate(images))


def _read_image(image: Any, at: str, faults: list[Fault]) -> ImageOutline:
    """As far as it could be read; what is wrong with it is added to `faults`."""
    if not isinstance(image, dict):
        faults.append(not_an_object(image, at, "an image"))
        return ImageOutline()
    faults += unknown_fields(image, at, ("url", "base64", "name"))
    name = _text(image, "name", at, faults, _MAX_NAME)
    sources = [source for source in ("url", "base64") if image.get(source) is not None]
    if len(sources) != 1:
        which = "both url and base64" if sources else "neither url nor base64"
        faults.append(Fault(at, "one_source", f"an image has exactly one of url and base64; here is {which}"))
        return ImageOutline(name)
    if sources == ["url"]:
        return ImageOutline(name, _url(image, at, faults))
    _text(image, "base64", at, faults)
    return ImageOutline(name)


def _url(image: dict[str, Any], at: str, faults: list[Fault]) -> str:
    url = _text(image, "url", at, faults, _MAX_URL)
    if url is None:
        return ""
    at += "/url"
    try:
        readable(url)
    except UrlUnreadable as error:
        faults.append(Fault(at, "bad_url", f"url {error}"))
    except UrlRefused:
        scheme = URL(url).scheme[:20]
        wanted = f"must be http or https, not {scheme}" if scheme else "must begin with http: or https:"
        faults.append(Fault(at, "bad_scheme", f"url {wanted}"))
    return url


def _text(
    image: dict[str, Any], field: str, at: str, faults: list[Fault], max_length: int | None = None
) -> str | None:
    value = image.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        faults.append(Fault(f"{at}/{field}", "wrong_type", f"{field} must be a string, not {kind_of(value)}"))
        return None
    if max_length is not None and len(value) > max_length:
        faults.append(Fault(f"{at}/{field}", "too_long", f"{field} is longer than {max_length} characters"))
    return value
