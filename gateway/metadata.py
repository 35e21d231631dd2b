"""What an image says about itself: the words that an analyzer finds and a processor writes.

Ground floor, for domain, messages, images, analyzer and processor all speak of it.
"""

from enum import StrEnum
from typing import Final

from attrs import fields, frozen


@frozen
class Metadata:
    """Title, description and keywords; empty ones mean that nothing is known.

    `writer` is who wrote the description: an analyzer's name and version, or whoever the image names.
    """

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    writer: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.title or self.description or self.keywords)


class FieldPolicy(StrEnum):
    """What becomes of words that an image has already in one field.

    REPLACE: the new ones stand in their place. APPEND: the new ones are added, none twice. KEEP: they stay, and new
    ones are written only where there were none.
    """

    REPLACE = "replace"
    APPEND = "append"
    KEEP = "keep"


@frozen
class MetadataPolicy:
    """By field; None where nothing was said, and the processor's own setting holds."""

    title: FieldPolicy | None = None
    description: FieldPolicy | None = None
    keywords: FieldPolicy | None = None


POLICY_FIELDS: Final = tuple(field.name for field in fields(MetadataPolicy))
