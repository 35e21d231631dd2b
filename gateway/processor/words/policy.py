"""What becomes of the words that an image has when new ones are to be written: a policy for each field decides. Pure.

Where nobody asked for one, keywords are added to those that are there, and a title or description is replaced if an
analyzer wrote it and kept if a person did: gateway/processor/words/writer.py tells whose it is. Nothing is ever taken
away without a word in its place.
"""

import re
from collections.abc import Iterable
from typing import Final

from attrs import asdict, evolve, frozen

from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.processor.words.found import Found
from gateway.processor.words.texts import without_case
from gateway.processor.words.writer import ANALYZER, answers_for_title, is_analyzer, of_description_alone

AUTO: Final = MetadataPolicy()
"""No field asks for anything."""

_BETWEEN_TITLES: Final = " – "  # noqa: RUF001 the dash between two thoughts
_BETWEEN_DESCRIPTIONS: Final = "\n"


def combined(asked: MetadataPolicy, otherwise: MetadataPolicy) -> MetadataPolicy:
    """What `asked` says, and `otherwise` for the fields of which it says nothing."""
    return MetadataPolicy(
        title=asked.title or otherwise.title,
        description=asked.description or otherwise.description,
        keywords=asked.keywords or otherwise.keywords,
    )


@frozen
class Changes:
    """What is to be written, whole and in every standard; None: the field stays as it is. An empty writer goes."""

    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] | None = None
    writer: str | None = None

    @property
    def is_empty(self) -> bool:
        return self == Changes()

    def applied_to(self, words: Metadata) -> Metadata:
        """What stands there when all is written."""
        changed = asdict(self, recurse=False, filter=lambda _, value: value is not None)
        return evolve(words, **changed)


def decide(found: Found, new: Metadata, policy: MetadataPolicy) -> Changes:
    """What to write of `new`, which is fit to be written, into an image that has `found`."""
    there, writer = found.words, new.writer or ANALYZER
    our_description = bool(there.description) and found.description_agrees and is_analyzer(there.writer)
    our_title = (
        bool(there.title) and found.title_agrees and our_description and answers_for_title(there.writer)
    )
    title = _decided(there.title, new.title, policy.title, _BETWEEN_TITLES, is_analyzers=our_title)
    description = _decided(
        there.description,
        new.description,
        policy.description,
        _BETWEEN_DESCRIPTIONS,
        is_analyzers=our_description,
    )
    return Changes(
        title=title.text,
        description=description.text,
        keywords=_keywords(there.keywords, new.keywords, policy.keywords or FieldPolicy.APPEND),
        writer=_writer(there.writer, writer, title, description),
    )


@frozen
class _Decision:
    """The text to be written, and whether an analyzer alone wrote what then stands there."""

    text: str | None
    is_analyzers: bool


def _decided(
    old: str, new: str, policy: FieldPolicy | None, between: str, *, is_analyzers: bool
) -> _Decision:
    policy = policy or (FieldPolicy.REPLACE if is_analyzers else FieldPolicy.KEEP)
    if not new or (old and policy is FieldPolicy.KEEP):
        return _Decision(None, is_analyzers)
    if not old or policy is FieldPolicy.REPLACE:
        return _Decision(new, True)
    return _Decision(None if _says(old, new) else old + between + new, is_analyzers)


def _says(old: str, new: str) -> bool:
    """Whether `old` has the words of `new` in it already."""
    old, new = without_case(old), without_case(new)
    return re.search(rf"(?<!\w){re.escape(new)}(?!\w)", old) is not None


def _keywords(there: Iterable[str], new: Iterable[str], policy: FieldPolicy) -> tuple[str, ...] | None:
    if not new or (there and policy is FieldPolicy.KEEP):
        return None
    joined = list(there) if policy is FieldPolicy.APPEND else []
    known = {without_case(keyword) for keyword in joined}
    for keyword in new:
        if without_case(keyword) not in known:
            known.add(without_case(keyword))
            joined.append(keyword)
    return tuple(joined)


def _writer(there: str, new: str, title: _Decision, description: _Decision) -> str | None:
    """Who answers for the description, and for no title that is a person's, not in a word of it.

    So an analyzer's name does not outlive the moment when a person's words become the same in every standard.
    """
    if description.text is None:
        is_persons_title = title.text is not None and not title.is_analyzers
        return of_description_alone(there) if is_persons_title and answers_for_title(there) else None
    if not description.is_analyzers:
        return "" if is_analyzer(there) else None
    return new if title.is_analyzers else of_description_alone(new)
