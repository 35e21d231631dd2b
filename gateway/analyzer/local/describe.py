"""The local analyzer: what can be said of an image without a network and without guessing.

EXIF, size, colours and the file name are facts; what is seen in the picture and the name of the place join them where
an extra is installed. Runs in a helper process: it decodes, reduced, what somebody sent. Needs Pillow alone; numpy
is imported where it is asked to see.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve, field, frozen

from gateway.analyzer.local.colours import dominant_colours
from gateway.analyzer.local.extras import PLACE, SEE
from gateway.analyzer.local.facts import Facts, metadata_of
from gateway.analyzer.local.file_names import title_of
from gateway.analyzer.local.looks import brightness_of, shape_of, sharpness_of
from gateway.analyzer.local.place.naming import Place, place_at
from gateway.analyzer.local.shot import Position
from gateway.analyzer.local.view import View, view_of
from gateway.images.inspect import MAX_PIXELS
from gateway.metadata import Metadata

if TYPE_CHECKING:
    from gateway.analyzer.local.sight.classify import SeenWord

T = TypeVar("T")

WRITER_OF_FACTS = "local/facts"
WRITER_WHO_SEES = "local/efficientnet-lite0"
"""Name and version: who reads the text can tell who wrote it, and whether the picture was looked at."""


@frozen
class Described:
    """What came of one image."""

    metadata: Metadata
    scores: dict[str, float] = field(factory=dict)
    """What was seen, and how probable it is: for the log, not for the file."""
    failed_parts: dict[str, str] = field(factory=dict)
    """Parts that were wanted and could not be done, and why: a matter of this installation, not of the image."""


def describe(
    image: bytes,
    file_name: str,
    max_pixels: int = MAX_PIXELS,
    min_probability: float | None = None,
    names_place: bool = False,
) -> Described:
    """What can be said of `image`, called `file_name` by who sent it.

    What is in it is looked for only with a `min_probability`. Raises AnalysisFailed.
    """
    view = view_of(image, max_pixels)
    failed: dict[str, str] = {}
    seen = place = None
    if min_probability is not None:
        seen = _unless_it_fails(SEE, failed, partial(_seen, view, min_probability))
    if names_place and view.shot.position:
        place = _unless_it_fails(PLACE, failed, partial(_place, view.shot.position))
    metadata = metadata_of(_facts(view, file_name, seen or (), place))
    writer = WRITER_OF_FACTS if seen is None else WRITER_WHO_SEES
    scores = {each.word: round(each.probability, 3) for each in seen or ()}
    return Described(evolve(metadata, writer=writer), scores, failed)


def _unless_it_fails(part: str, failed: dict[str, str], work: Callable[[], T]) -> T | None:
    """What an extra brings is no reason to lose the facts: damaged weights, say, or another version of its data."""
    try:
        return work()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - numpy, zlib, json and the file system raise what they like
        failed[part] = f"{type(error).__name__}: {error}"
        return None


def _facts(view: View, file_name: str, seen: "Sequence[SeenWord]", place: Place | None) -> Facts:
    luminance = None if view.is_see_through else view.picture.convert("L")  # what shines through isn't known
    return Facts(
        words=title_of(file_name),
        seen=tuple(each.word for each in seen),
        broad=frozenset(each.word for each in seen if each.is_broad),
        colours=dominant_colours(view.picture),
        shape=shape_of(view.width, view.height),
        brightness=brightness_of(luminance) if luminance else "",
        sharpness=sharpness_of(luminance) if luminance else "",
        place=place,
        shot=view.shot,
    )


def _seen(view: View, min_probability: float) -> "Sequence[SeenWord]":
    from gateway.analyzer.local.sight.classify import seen_in

    return seen_in(view.on_white, min_probability)


def _place(position: Position) -> Place | None:
    return place_at(position.latitude, position.longitude)
