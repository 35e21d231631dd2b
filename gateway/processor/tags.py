"""Writes title, description, keywords and writer into a JPEG or PNG: EXIF, IPTC and XMP, each field into all of them.

A policy says what becomes of words that are there. All other metadata stays as it is, and so does the image itself,
byte for byte, which is proven each time. A text is cut only where IPTC has no room for it.

Runs in a helper process, never in the service: pyexiv2 is GPLv3 and not thread-safe, and this is the only
module that imports it, when a tag is to be written. It is the extra `processor`.
"""

import contextlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from gateway.errors import ContentError
from gateway.failure_codes import TAGGING_FAILED
from gateway.images.inspect import STRUCTURE_ALONE, Inspector
from gateway.images.signatures import image_type
from gateway.installing import how_to_install
from gateway.metadata import Metadata, MetadataPolicy
from gateway.processor.container.grafting import Pieces, metadata_of, with_metadata, xmp_and_iptc_alone
from gateway.processor.container.image_data import check_same_image_data
from gateway.processor.container.parts import PHOTOSHOP
from gateway.processor.standards import exif, iptc, xmp
from gateway.processor.standards.bounds import check_bounds
from gateway.processor.standards.photoshop import iptc_alone, with_iptc_of
from gateway.processor.standards.raw_profile import with_bare_iptc, with_profile_times_of
from gateway.processor.standards.xmp_packet import (
    OURS,
    declared,
    has_foreign_namespaces,
    with_packet_details_of,
)
from gateway.processor.words.found import found
from gateway.processor.words.policy import AUTO, Changes, decide
from gateway.processor.words.texts import fit_to_write

if TYPE_CHECKING:
    from pyexiv2 import ImageData

INSTALL_COMMAND: Final = how_to_install("processor")

EXIV2_ERRORS: Final = (RuntimeError, ValueError)
"""All that Exiv2 and its binding raise."""


class TaggingFailed(ContentError):
    """The tags could not be written into this image."""

    default_code = TAGGING_FAILED


def processor_available() -> bool:
    """Whether tags can be written here; if not, INSTALL_COMMAND helps. Imports nothing."""
    return find_spec("pyexiv2") is not None


def write_tags(image: bytes, words: Metadata, policy: MetadataPolicy = AUTO) -> bytes:
    """`image` with `words` in it as `policy` says; unchanged if there is nothing to write.

    Raises TaggingFailed, TooMuchMetadata, ImageDataChanged.
    """
    words = fit_to_write(words)
    if words.is_empty:
        return image
    if image_type(image) is None:
        raise TaggingFailed("Tags can only be written into JPEG and PNG images.")
    _check_whole(image)
    tagged = with_metadata(image, _new_metadata(image, words, policy))
    check_same_image_data(image, tagged)
    return tagged


def _check_whole(image: bytes) -> None:
    """Nothing is written into what is cut off or damaged: nobody could tell what of it is the picture."""
    inspector = Inspector(STRUCTURE_ALONE)
    try:
        inspector.feed(image)
        inspector.finish()
    except ContentError as error:
        raise TaggingFailed(error.text) from error


def _new_metadata(image: bytes, words: Metadata, policy: MetadataPolicy) -> Pieces:
    """What is to stand in place of the metadata of `image`: EXIF is ours to write, XMP and IPTC are Exiv2's."""
    alone = xmp_and_iptc_alone(image)
    seen = metadata_of(alone)
    check_bounds(seen)
    try:
        alone = with_metadata(with_bare_iptc(alone), {PHOTOSHOP: iptc_alone(seen.get(PHOTOSHOP, []))})
        changes, written = _in_its_namespaces(alone, exif.read(image), words, policy)
    except EXIV2_ERRORS as error:
        raise _failed(str(error)) from error
    if changes.is_empty:
        return {}
    written = with_packet_details_of(alone, with_profile_times_of(alone, written))
    return {**_changed(image, seen, metadata_of(alone), metadata_of(written)), **exif.changed(image, changes)}


def _in_its_namespaces(
    alone: bytes, in_exif: Metadata, words: Metadata, policy: MetadataPolicy
) -> tuple[Changes, bytes]:
    """As _with_words, whatever earlier images gave the prefixes to: some of it cannot even be written."""
    with contextlib.suppress(*EXIV2_ERRORS):
        changes, written = _with_words(alone, in_exif, words, policy)
        if changes.is_empty or not has_foreign_namespaces(alone, written):
            return changes, written
    _restore_namespaces(declared(alone))
    changes, written = _with_words(alone, in_exif, words, policy)
    if has_foreign_namespaces(alone, written):
        raise _failed("its XMP takes the prefix of a standard namespace for another one")
    return changes, written


def _with_words(
    alone: bytes, in_exif: Metadata, words: Metadata, policy: MetadataPolicy
) -> tuple[Changes, bytes]:
    """(what is to be written, `alone` with it)."""
    with _opened(alone) as opened:
        changes = decide(found(in_exif, iptc.read(opened), xmp.read(opened)), words, policy)
        if changes.is_empty:
            return changes, alone
        iptc.write(opened, changes)
        xmp.write(opened, changes)
        return changes, bytes(opened.get_bytes())


def _changed(image: bytes, seen: Pieces, old: Pieces, new: Pieces) -> Pieces:
    """The kinds that Exiv2 changed; of each, what it has not `seen` stays as it is in `image`, behind what is new."""
    changed = {kind: new.get(kind, []) for kind in {**new, **old} if new.get(kind) != old.get(kind)}
    if block := changed.pop(PHOTOSHOP, []):
        changed[PHOTOSHOP] = with_iptc_of(block, seen.get(PHOTOSHOP, []))
    there = metadata_of(image)
    return {
        kind: [*pieces, *there.get(kind, [])[len(seen.get(kind, [])) :]] for kind, pieces in changed.items()
    }


def _restore_namespaces(namespaces: Iterable[tuple[str, str]]) -> None:
    """Make Exiv2 forget what other images gave these prefixes to."""
    import pyexiv2

    ours = OURS.values()  # by no other prefix, or the words would not be found
    others = [(prefix, uri) for prefix, uri in namespaces if prefix not in OURS and uri not in ours]
    for prefix, uri in (*others, *OURS.items()):
        pyexiv2.registerNs(uri, prefix)


def _failed(reason: str) -> TaggingFailed:
    return TaggingFailed("The image's metadata could not be written.", detail=reason.strip())


@contextlib.contextmanager
def _opened(image: bytes) -> Iterator["ImageData"]:
    try:
        import pyexiv2
    except ImportError as error:
        text = "Tags cannot be written here: a part of the gateway is not installed."
        raise TaggingFailed(text, detail=INSTALL_COMMAND) from error
    pyexiv2.set_log_level(3)  # errors become exceptions, warnings are not printed
    with contextlib.suppress(RuntimeError):
        pyexiv2.convert_exif_to_xmp({})  # raises what is left over from an earlier image that failed to open
    opened = pyexiv2.ImageData(image)
    try:
        yield opened
    finally:
        opened.close()
