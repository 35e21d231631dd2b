"""Which images are looked for: by the keywords that were found in them, and by where they stand."""

from collections.abc import Iterable
from unicodedata import normalize

from attrs import field, frozen

from gateway.domain.job import Image, Status


def normal_keyword(keyword: str) -> str:
    """The same text for all ways to write a keyword: in any case, composed or not, with blanks around it or none.

    Canonical caseless matching of the Unicode Standard (D145), composed again because that is shorter.
    """
    if keyword.isascii():  # most are, and they are normal in all forms
        return keyword.lower().strip()
    return normalize("NFC", normalize("NFD", keyword).casefold()).strip()


def normal_keywords(keywords: Iterable[str]) -> frozenset[str]:
    """Each once; those of blanks alone are none."""
    return frozenset(filter(None, map(normal_keyword, keywords)))


def keywords_of(image: Image) -> frozenset[str]:
    """By which the image is found. Only a completed one has any: they are those of its tagged copy."""
    return normal_keywords(image.metadata.keywords) if image.metadata else frozenset()


@frozen(kw_only=True)
class ImageQuery:
    """Images that have all of the keywords, whatever their case, and that status; without both, all images."""

    keywords: frozenset[str] = field(default=(), converter=normal_keywords)
    status: Status | None = None

    def matches(self, image: Image) -> bool:
        return self.status in (None, image.status) and self.keywords <= keywords_of(image)
