"""Who wrote the words of an image: the name that stands with its description, and what it answers for. Pure.

IPTC and XMP have one place for it, the description's writer. An analyzer that wrote the title as well stands there by
its name; one that did not, for a person's title was there, says so: `local/efficientnet-lite0 (desc.)`. So a
later run knows which words it may replace, and takes nobody's title for an analyzer's.
"""

from typing import Final

from gateway.processor.words.lengths import MAX_WRITER_BYTES, could_be_cut, forms_in_iptc
from gateway.processor.words.texts import comparable

ANALYZER: Final = "analyzer"
"""Whoever wrote words without a name: the analyzer that has run beside the gateway from the first day."""

_ANALYZERS: Final = ("local/", "vision/")
_DESCRIPTION_ALONE: Final = " (desc.)"


def is_analyzer(writer: str) -> bool:
    """Whether an analyzer wrote the description, not a person."""
    return writer.removesuffix(_DESCRIPTION_ALONE) == ANALYZER or writer.startswith(_ANALYZERS)


def answers_for_title(writer: str) -> bool:
    """Whether an analyzer wrote the title too."""
    return is_analyzer(writer) and not writer.endswith(_DESCRIPTION_ALONE)


def of_description_alone(writer: str) -> str:
    """The analyzer `writer`, as one who does not answer for the title."""
    return writer.removesuffix(_DESCRIPTION_ALONE) + _DESCRIPTION_ALONE


def writer_of_both(xmp: str, iptc: str) -> str:
    """The writer whom XMP and IPTC name, which has room for little: where they differ, who claims the least."""
    if xmp and comparable(iptc) in forms_in_iptc(xmp, MAX_WRITER_BYTES):
        return xmp
    if is_analyzer(iptc) and could_be_cut(iptc, MAX_WRITER_BYTES):
        iptc = of_description_alone(iptc)  # what is cut away may have said so
    return min(filter(None, (xmp, iptc)), key=_claims, default="")


def _claims(writer: str) -> int:
    return is_analyzer(writer) + answers_for_title(writer)
