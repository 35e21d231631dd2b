"""Which reader a body needs, by its media type."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from attrs import evolve
from multipart import parse_options_header

from gateway.domain.options import BatchOptions
from gateway.errors import UnsupportedMedia
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.json.batch import json_batch
from gateway.intake.multipart.batch import multipart_batch
from gateway.intake.options import options_twice, parse_options
from gateway.intake.settings import IntakeSettings

IMAGE_TYPES = ("image/jpeg", "image/png")
_JSON = "application/json"


def read_batch(
    body: AsyncIterator[bytes],
    *,
    content_type: str,
    name: str | None = None,
    options: Sequence[str] = (),
    settings: IntakeSettings,
) -> IncomingBatch:
    """The images of a body, their bytes passing as they arrive, then the outline of all.

    `name` is for a body that is one raw image; `options`, as JSON, were given beside the body, as often as they stand
    here. Iterating raises BadInput (faults by JSON pointer), and what `body` raises. Before anything is read, wrong
    `options` raise BadInput, a wrong media type UnsupportedMedia.
    """
    beside = [parse_options(document, "parameter options") for document in options]
    if len(beside) > 1:
        raise options_twice()
    batch = _read_body(body, content_type, name, settings)
    return _with(beside[0], batch) if beside else batch


async def _with(options: BatchOptions, batch: IncomingBatch) -> IncomingBatch:
    """The batch, with options that were given beside it."""
    async with aclosing(batch):
        async for member in batch:
            if isinstance(member, SentImage):
                yield member
            elif member.options is None:
                yield evolve(member, options=options)
            else:
                raise options_twice()


def _read_body(
    body: AsyncIterator[bytes], content_type: str, name: str | None, settings: IntakeSettings
) -> IncomingBatch:
    media_type, parameters = parse_options_header(content_type)
    if media_type == _JSON:
        return json_batch(body, settings)
    if media_type == "multipart/form-data":
        return multipart_batch(body, parameters.get("boundary", ""), settings.max_images)
    if media_type in IMAGE_TYPES:
        return _one_image(body, name)
    wanted = ", ".join((_JSON, "multipart/form-data", *IMAGE_TYPES))
    # A header may hold any bytes.
    named = media_type[:100].encode("ascii", "replace").decode() or "(none)"
    raise UnsupportedMedia(f"Media type {named} is not taken; send one of {wanted}.")


async def _one_image(body: AsyncIterator[bytes], name: str | None) -> IncomingBatch:
    yield SentImage(0, body)
    yield BatchOutline((ImageOutline(name),))
