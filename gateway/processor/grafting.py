"""Takes from a tagged image its metadata alone, and puts that into the original: all else stays by construction.

Exiv2 writes a whole new file, and more of it changes than tags: a comment is moved and gets a final NUL, an ICC profile
of a PNG is compressed anew, and what lies behind a PNG's end is lost. Pure.
"""

from collections import defaultdict
from collections.abc import Mapping

from gateway.images.signatures import ImageType, image_type
from gateway.processor.multi_picture import with_current_index
from gateway.processor.parts import EXIF, JFIF_MARKER, Part, parts


def with_metadata_of(tagged: bytes, original: bytes) -> bytes:
    """`original` with the metadata of `tagged`, a copy that somebody wrote tags into.

    A kind of metadata that is the same in both stays where it is. What is new stands at the beginning, where readers
    look for it: EXIF is next to the signature (and JFIF's segment), as its standard demands.
    """
    old, new = _by_kind(original), _by_kind(tagged)
    kept = [
        part for part in parts(original) if not part.metadata or old[part.metadata] == new.get(part.metadata)
    ]
    added = b"".join(b"".join(new[kind]) for kind in new if new[kind] != old.get(kind))
    place = _place_of_the_new(kept, is_png=image_type(original) is ImageType.PNG)
    pieces = [original[part.start : part.end] for part in kept]
    grafted = b"".join([*pieces[:place], added, *pieces[place:]])
    return with_current_index(original, grafted)


def _by_kind(image: bytes) -> Mapping[bytes, list[bytes]]:
    """Several segments may make up one kind: their order is kept."""
    kinds: dict[bytes, list[bytes]] = defaultdict(list)
    for part in parts(image):
        if part.metadata:
            kinds[part.metadata].append(image[part.start : part.end])
    return kinds


def _place_of_the_new(kept: list[Part], *, is_png: bool) -> int:
    """Behind the signature and IHDR, or behind the signature, JFIF and EXIF that has not changed."""
    if is_png:
        return 2
    place = 1
    while place < len(kept) and (kept[place].kind == JFIF_MARKER or kept[place].metadata == EXIF):
        place += 1
    return place
