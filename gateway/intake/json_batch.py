"""A JSON body: `{"images": [{"url" | "base64", "name"?}, ...], "options"?}`.

The shape of all of it is checked before the first image is given, and every fault is told, with its JSON pointer.
The body is read whole, within a bound on its size and one on what it makes of itself in memory.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from yarl import URL

from gateway.errors import BadInput, Fault, TooLarge
from gateway.fetch.urls import UrlRefused, UrlUnreadable, readable
from gateway.intake.base64_body import decode_base64
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.options import read_options
from gateway.intake.repeats import refuse_repeats_in_options
from gateway.intake.settings import IntakeSettings
from gateway.intake.shape import kind_of, not_an_object, read_json, refuse_any, unknown_fields

_MAX_URL: Final = 8192
_MAX_NAME: Final = 4096

# An empty object takes three bytes of a document and sixty-four in memory, so what begins or parts values is counted.
_STRUCTURE: Final = b"{[,:"
_MAX_STRUCTURE: Final = 100_000
_MAX_STRUCTURE_PER_IMAGE: Final = 1000


async def json_batch(body: AsyncIterator[bytes], settings: IntakeSettings) -> IncomingBatch:
    """The images of a JSON body, each let go as it is given. Raises BadInput, TooLarge, what `body` raises."""
    outline, texts = parse_batch(await _read(body, settings), settings.max_images)
    for index in sorted(texts):
        yield SentImage(index, decode_base64(texts.pop(index)))
    yield outline


def parse_batch(document: bytes | bytearray, max_images: int) -> tuple[BatchOutline, dict[int, str]]:
    """The batch that the document describes, and its images' texts in base64 by index. Raises BadInput."""
    batch = read_json(document, "body")
    if not isinstance(batch, dict):
        text = f"The body must be an object, not {kind_of(batch)}."
        raise BadInput(text, code="wrong_type", faults=[Fault("", "wrong_type", text)])
    faults = unknown_fields(batch, "", ("images", "options"))
    options = read_options(batch["options"], faults) if "options" in batch else None
    images = _read_images(batch, max_images, faults)
    refuse_any(faults)
    if options is not None:
        refuse_repeats_in_options(document)
    texts = {
        index: batch["images"][index]["base64"] for index, image in enumerate(images) if image.url is None
    }
    return BatchOutline(images, options), texts


def _read_images(batch: dict[str, Any], max_images: int, faults: list[Fault]) -> tuple[ImageOutline, ...]:
    if "images" not in batch:
        faults.append(Fault("/images", "missing", "images is missing"))
        return ()
    images = batch["images"]
    if not isinstance(images, list):
        faults.append(Fault("/images", "wrong_type", f"images must be an array, not {kind_of(images)}"))
        return ()
    if not 1 <= len(images) <= max_images:
        code = "too_many_images" if images else "no_images"
        faults.append(Fault("/images", code, f"a batch has 1 to {max_images} images, not {len(images)}"))
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
        scheme = URL(url).scheme[:20] or "without scheme"
        faults.append(Fault(at, "bad_scheme", f"url must be http or https, not {scheme}"))
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


async def _read(body: AsyncIterator[bytes], settings: IntakeSettings) -> bytearray:
    """The whole document. It is counted as it comes, so that one of a wrong size or make is not read to its end."""
    max_structure = max(_MAX_STRUCTURE, _MAX_STRUCTURE_PER_IMAGE * settings.max_images)
    document, counted, structure = bytearray(), 0, 0
    async for chunk in body:
        document += chunk
        # A shorter document can't have more of them, so most are never counted.
        if len(document) > max_structure:
            structure += _structure_in(document[counted:])
            counted = len(document)
        if len(document) > settings.max_json_bytes:
            raise TooLarge(
                f"A JSON body may have {settings.max_json_bytes} bytes; "
                "send larger batches as multipart/form-data."
            )
        if structure > max_structure:
            raise BadInput(
                f"The body is too complex: more than {max_structure} of the characters {{ [ , and : are in it.",
                code="too_complex",
            )
    return document


def _structure_in(piece: bytearray) -> int:
    return len(piece) - len(piece.translate(None, _STRUCTURE))
