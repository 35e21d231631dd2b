"""Which images of a job are meant: `{"images": [0, 3]}` by their index; nothing, or `{}`, says nothing of it.

The shape alone is looked at here: whether the job has such images is not known yet.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from multipart import parse_options_header

from gateway.errors import BadInput, Fault, TooLarge, UnsupportedMedia
from gateway.intake.repeats import refuse_repeats
from gateway.intake.shape import kind_of, read_json, refuse_any, unknown_fields

MAX_BYTES: Final = 64 * 1024
"""Far more than the indices of any batch take."""


async def read_indices(body: AsyncIterator[bytes], *, content_type: str) -> Sequence[int] | None:
    """The indices in the order in which they are named; None where none are.

    Raises BadInput (faults by JSON pointer), TooLarge, UnsupportedMedia, and what `body` raises.
    """
    document = bytearray()
    async for chunk in body:
        document += chunk
        if len(document) > MAX_BYTES:
            raise TooLarge(f"The body may have {MAX_BYTES} bytes.")
    if not document:
        return None
    if parse_options_header(content_type)[0] != "application/json":
        raise UnsupportedMedia("The body must be application/json, or empty.")
    return parse_indices(bytes(document))


def parse_indices(document: bytes) -> Sequence[int] | None:
    """What the document says. Raises BadInput."""
    said = read_json(document, "body")
    if not isinstance(said, dict):
        text = f"The body must be an object, not {kind_of(said)}."
        raise BadInput(text, code="wrong_type", faults=[Fault("", "wrong_type", text)])
    refuse_repeats(document, "body")
    faults = unknown_fields(said, "", ("images",))
    indices = _read_images(said["images"], faults) if "images" in said else None
    refuse_any(faults)
    return indices


def _read_images(images: Any, faults: list[Fault]) -> Sequence[int]:
    if not isinstance(images, list):
        faults.append(Fault("/images", "wrong_type", f"images must be an array, not {kind_of(images)}"))
        return ()
    faults += [
        Fault(f"/images/{place}", "wrong_type", f"an index must be a whole number, not {_told(index)}")
        for place, index in enumerate(images)
        if type(index) is not int  # a boolean is an int, too
    ]
    return images


def _told(value: object) -> str:
    return str(value) if isinstance(value, float) else kind_of(value)
