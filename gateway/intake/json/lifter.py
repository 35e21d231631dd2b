"""The JSON body of a batch as a stream: `images[*].base64` is lifted out and decoded as it arrives.

Every string at that place of the top object is lifted, however its key is spelt, so that what stands there in the
skeleton, the small rest, is the lifter's alone. The skeleton is bounded, kept and parsed at the end; so no more of a
body is ever held than that, and the chunk that came last. Nothing here waits: who feeds it gives others a turn.
"""

from collections.abc import Iterator
from typing import Any, Final

from attrs import define, field, frozen

from gateway.intake.json.lifted_text import LiftedText
from gateway.intake.json.outline import too_many_images
from gateway.intake.json.skeleton import Skeleton
from gateway.intake.json.structure import Path, Structure
from gateway.intake.shape import not_json, refuse_any

_SKELETON_BYTES: Final = 64 * 1024
_SKELETON_BYTES_PER_IMAGE: Final = 4 * 1024
_PARTS: Final = 2000
_PARTS_PER_IMAGE: Final = 50
_DEPTH_OF_TEXTS: Final = 3

_TURN: Final = 256
"""Steps after which it is others' turn; in hostile chunks each takes about three microseconds."""
_BYTES_OF_A_STEP: Final = 1024
"""Where a text is not plain: as many of them take no longer."""


@frozen
class TextBegins:
    """The base64 of image number `index` begins; its bytes follow, then its end, before all else."""

    index: int


@frozen
class TextEnds:
    """All bytes have come, unless something is `wrong` with the text: it says what, and the image alone has failed."""

    wrong: str


@frozen
class Pause:
    """The right moment to give others a turn."""


@frozen
class Document:
    """All of the body, with an empty string for each that was lifted out; the last of the events."""

    content: Any


Event = TextBegins | bytes | TextEnds | Pause | Document
_PAUSE: Final = Pause()


@define(eq=False)
class Lifter:
    """Reads one body, of a batch of at most `max_images`."""

    _max_images: int
    _skeleton: Skeleton = field(init=False)
    _text: LiftedText | None = None
    _next: int = 0
    _steps: int = 0

    @_skeleton.default
    def _bounded_skeleton(self) -> Skeleton:
        return Skeleton(
            max_bytes=_SKELETON_BYTES + _SKELETON_BYTES_PER_IMAGE * self._max_images,
            structure=Structure(_PARTS + _PARTS_PER_IMAGE * self._max_images),
        )

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """What a chunk of the body brings, read while it is asked for; all of it before the next chunk comes.

        Raises BadInput for what is no JSON, too complex or of too many images, KeyTwice, and TooLarge.
        """
        at = 0
        while at < len(chunk):
            events: list[Event] = []
            at = self._read_step(chunk, at, events)
            yield from events
            if self._steps >= _TURN:
                self._steps = 0
                yield _PAUSE

    def close(self) -> Document:
        """What is left when the body has ended. Raises BadInput if that isn't all of a document."""
        return Document(self._skeleton.document())

    def _read_step(self, chunk: bytes, at: int, events: list[Event]) -> int:
        if self._text is not None:
            return self._read_text(self._text, chunk, at, events)
        at = self._skeleton.read(chunk, at)
        self._steps += 1
        if self._skeleton.is_in_string and self._skeleton.depth == _DEPTH_OF_TEXTS:
            self._lift_if_base64(self._skeleton.path, events)
        return at

    def _lift_if_base64(self, path: Path, events: list[Event]) -> None:
        match path:
            case ("images", int(index), "base64"):
                events.append(self._begin(index))

    def _begin(self, index: int) -> TextBegins:
        if index >= self._max_images:
            refuse_any([too_many_images(self._max_images)])
        if index < self._next:
            raise not_json("body", "a comma is missing between two images, or two strings")
        self._next = index + 1
        self._text = LiftedText()
        return TextBegins(index)

    def _read_text(self, text: LiftedText, chunk: bytes, at: int, events: list[Event]) -> int:
        begin, at = at, text.read(chunk, at, events.append)
        self._steps += 1 if text.was_plain else 1 + (at - begin) // _BYTES_OF_A_STEP
        if text.has_ended:
            events.append(TextEnds(text.wrong))
            self._text = None
            self._skeleton.leave_out()
        return at
