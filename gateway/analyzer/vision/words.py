"""What a model wrote, read as title, description and keywords. Pure.

A model is asked for strict JSON, and many give nearly that: in a code fence, with a sentence before it, keywords as one
string, a comma too many, an end that is missing. What is clear is taken; a text that makes no sense is refused. What
is handed on is bounded and clean, whatever the text was.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.vision.texts import clean, shortened
from gateway.failure_codes import ANALYSIS_REFUSED
from gateway.metadata import Metadata

MAX_TEXT: Final = 64 * 1024
"""Characters of an answer that are looked at: some hundred times what is asked for."""
MAX_OBJECTS: Final = 16
"""Places where an object might begin that are tried."""
MAX_TITLE: Final = 150
MAX_DESCRIPTION: Final = 1500
MAX_KEYWORD: Final = 64
MAX_KEYWORDS: Final = 50

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "title": ("title", "headline"),
    "description": ("description", "caption"),
    "keywords": ("keywords", "tags", "keyword"),
}
_SPARE_COMMA = re.compile(r",(?=\s*[}\]])")
_STRING = r'"(?:[^"\\]|\\.)*+"'
_WHOLE_FIELD = re.compile(rf'"(?P<name>\w{{1,20}})"\s*:\s*(?P<text>{_STRING})', re.DOTALL)
_KEYWORDS_BEGIN = re.compile(r'"(?:keywords|tags)"\s*:\s*\[', re.IGNORECASE)
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
_BETWEEN_KEYWORDS = re.compile("[,;\n\u3001\uff0c\uff1b\u060c]")
"""Commas and semicolons, also those of Chinese, Japanese and Arabic."""
_MARKS = " \t\r\n#*\u2022-\u2013\"'`.,;:"
_I_REFUSE = (
    r"\W*(?:(?:i'?m|i am|we'?re|we are) (?:really |very )?(?:sorry|afraid|unable|not able)"
    r"|(?:i|we) (?:can'?t|cannot|can not|won'?t|will not|must decline|do not feel comfortable|apologi[sz]e))\b"
)
_REFUSED_DESCRIPTION = re.compile(_I_REFUSE, re.IGNORECASE)
"""Nobody describes a photo so; that sorry is a word in it may well be."""
_REFUSAL = re.compile(rf"{_I_REFUSE}|\W*(?:sorry|(?:my )?apologies|unable to|not able to)\b", re.IGNORECASE)


class Unreadable(AnalysisFailed):
    """An answer that makes no sense; another try may do better."""

    default_code = "analysis_unreadable"


def words_in(text: str, *, is_cut: bool = False) -> Metadata:
    """The words; with `is_cut`, of an answer that ended too early, whose title and description must be whole.

    Raises AnalysisFailed: Unreadable, or with the code `analysis_refused` when the model says that it won't.
    """
    text = text.rpartition("</think>")[2].strip()
    if len(text) > MAX_TEXT:
        raise Unreadable("The model's answer is far longer than asked for.")
    for found in _readings_of(text):
        words = _words_of(found)
        if _REFUSED_DESCRIPTION.match(_typed(words.description)):
            raise _refused()
        if not words.is_empty:
            return words
    if _REFUSAL.match(_typed(text)) and "{" not in text:
        raise _refused()
    if is_cut:
        raise Unreadable("The model's answer was cut off: vision.max_tokens is too small.")
    raise Unreadable("The model gave no title, description and keywords that could be read.")


def _refused() -> AnalysisFailed:
    return AnalysisFailed("The model refuses to describe this image.", code=ANALYSIS_REFUSED)


def _typed(text: str) -> str:
    """With the apostrophe of a keyboard."""
    return text.replace("\u2019", "'")


def _readings_of(text: str) -> Iterator[Mapping[str, Any]]:
    """Title, description and keywords, as far as they are there; the best reading first."""
    yield from _objects_in(text)
    yield _pieces_of(text)


def _objects_in(text: str) -> Iterator[Mapping[str, Any]]:
    """JSON objects, wherever they begin."""
    decoder = json.JSONDecoder(strict=False)  # line breaks within strings
    for tried in dict.fromkeys((text, _SPARE_COMMA.sub("", text))):
        start = -1
        for _ in range(MAX_OBJECTS):
            start = tried.find("{", start + 1)
            if start < 0:
                break
            try:
                found, _end = decoder.raw_decode(tried, start)
            except (ValueError, RecursionError):
                continue
            yield _by_our_names(found)


def _by_our_names(found: Mapping[str, Any]) -> Mapping[str, Any]:
    told = {name.strip().casefold(): value for name, value in found.items()}
    return {ours: told[name] for ours, names in _NAMES.items() for name in reversed(names) if told.get(name)}


def _pieces_of(text: str) -> Mapping[str, Any]:
    """Of JSON that is broken or ends too early: what is whole, if title and description are."""
    pieces: dict[str, Any] = {}
    for match in _WHOLE_FIELD.finditer(text):
        pieces.setdefault(match["name"].casefold(), _unquoted(match["text"]))
    found = dict(_by_our_names(pieces))
    if not (found.get("title") and found.get("description")):
        return {}
    if begin := _KEYWORDS_BEGIN.search(text):
        listed = text[begin.end() :].partition("]")[0]
        found["keywords"] = [_unquoted(match[0]) for match in _WHOLE_STRING.finditer(listed)]
    return found


def _unquoted(literal: str) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return literal[1:-1].replace("\\", "")


def _words_of(found: Mapping[str, Any]) -> Metadata:
    return Metadata(
        title=shortened(_text(found.get("title")).rstrip("."), MAX_TITLE),
        description=shortened(_text(found.get("description")), MAX_DESCRIPTION),
        keywords=tuple(_keywords(found.get("keywords"))),
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return clean(" ".join(_text(part) for part in value if not isinstance(part, list)))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    text = clean(str(value))
    return text if any(character.isalnum() for character in text) else ""


def _keywords(value: Any) -> list[str]:
    """Each once, however it is written, the first MAX_KEYWORDS."""
    kept: dict[str, str] = {}
    for keyword in _listed(value):
        text = shortened(clean(_text(keyword)).strip(_MARKS), MAX_KEYWORD)
        if text:
            kept.setdefault(text.casefold(), text)
        if len(kept) == MAX_KEYWORDS:
            break
    return list(kept.values())


def _listed(value: Any) -> list[Any]:
    """A single string, alone or in a list, is a list that somebody forgot to part."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, str):
        return _BETWEEN_KEYWORDS.split(value)
    return value if isinstance(value, list) else [value]
