"""A multipart/form-data body (RFC 7578) as a batch.

Every part with a file name is an image, in order, whatever its field is called. A part called `options` holds JSON, and
may have a file name if it says so; parts called `name` hold what the images are called, one for each in the same order.
Both may stand before the images and behind them. Images pass as they arrive, nothing of them is kept.
"""

import re
from collections.abc import AsyncIterator
from typing import Final

from attrs import define, field

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.multipart.names import OPTIONS, PartNames, decoded
from gateway.intake.multipart.parts import Parts, parts_of
from gateway.intake.options import MAX_OPTIONS_BYTES, options_twice, parse_options

_MAX_NAME_BYTES: Final = 4096
_MAX_OTHER_PARTS: Final = 8
_MAX_HINTED: Final = 200
_PHOTO_NAME: Final = re.compile(rb"[^\0-\x1f]{1,200}\.(?:jpe?g|png)", re.IGNORECASE)


async def multipart_batch(body: AsyncIterator[bytes], boundary: str, max_images: int) -> IncomingBatch:
    """The images of a multipart body, its names and options. Raises BadInput, what `body` raises."""
    parts, form = parts_of(body, boundary), _Form(max_images)
    while (names := await parts.next_part()) is not None:
        if names.file:
            yield SentImage(form.add(names.file), parts.content())
        else:
            await form.read(parts)
    yield form.outline()


@define(eq=False)
class _Form:
    """What the parts have said so far, but for the bytes of images."""

    _max_images: int
    _files: list[str] = field(factory=list)
    _names: list[str] = field(factory=list)
    _options: BatchOptions | None = None
    _others: int = 0

    def add(self, file: str) -> int:
        """An image more, with that file name; its index. Raises BadInput."""
        if len(self._files) == self._max_images:
            raise BadInput(f"A batch has at most {self._max_images} images.", code="too_many_images")
        self._files.append(file)
        return len(self._files) - 1

    async def read(self, parts: Parts) -> None:
        """The present part, which is no image. Raises BadInput."""
        if parts.names.file is None and parts.names.field == "name":
            await self._read_name(parts)
            return
        self._others += 1
        if self._others > _MAX_OTHER_PARTS:
            text = f"The multipart body has more than {_MAX_OTHER_PARTS} parts that are no images."
            raise BadInput(text, code="bad_multipart")
        if parts.names.field != OPTIONS:
            _refuse(parts.names, await parts.beginning(_MAX_HINTED))
            return
        if self._options is not None:
            raise options_twice()
        self._options = parse_options(await parts.small_content(MAX_OPTIONS_BYTES), "part options")

    def outline(self) -> BatchOutline:
        """Of the whole form. Raises BadInput."""
        if not self._files:
            raise BadInput("The batch has no images.", code="no_images")
        if not self._names:
            return BatchOutline(tuple(map(ImageOutline, self._files)), self._options)
        if len(self._names) != len(self._files):
            raise self._miscounted()
        called = (name or file for name, file in zip(self._names, self._files, strict=True))
        return BatchOutline(tuple(map(ImageOutline, called)), self._options)

    async def _read_name(self, parts: Parts) -> None:
        if len(self._names) == self._max_images:
            text = f"The multipart body has more than {self._max_images} parts called name."
            raise BadInput(text, code="bad_multipart")
        self._names.append(decoded(await parts.small_content(_MAX_NAME_BYTES)))

    def _miscounted(self) -> BadInput:
        return BadInput(
            "A multipart body has as many parts called name as images, or none; "
            f"this one has {len(self._names)} for {_images(len(self._files))}.",
            code="bad_multipart",
        )


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"


def _refuse(names: PartNames, beginning: bytes) -> None:
    """Nothing is wrong with a file field of a form that was left empty. Raises BadInput for the rest."""
    field_name = names.field[:100]
    if names.file is None:
        text = f"Unknown field {field_name!r}: a part has a file name, or is called name or options"
        raise BadInput(text + _hint(field_name, beginning), code="unknown_field")
    if beginning:
        raise BadInput(f"The part {field_name!r} has content, but its file name is empty.", code="missing")


def _hint(name: str, beginning: bytes) -> str:
    """How the text ends. The name of a photo where its bytes should be: curl was called without the @."""
    if not _PHOTO_NAME.fullmatch(beginning):
        return "."
    return f"; did you mean {name}=@{beginning.decode(errors='replace')}?"
