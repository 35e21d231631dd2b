"""Query parameters and path parts, read strictly: a value that is not understood is refused, never guessed.

Parameters that are not known are ignored, so that newer clients can talk to older gateways; but not where one that says
which are meant would then be answered with all of them, and not what a known one was meant to be.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

from aiohttp import web

from gateway.domain.image_query import ImageQuery, normal_keyword
from gateway.domain.job import Status
from gateway.errors import BadInput, NotFound
from gateway.ports.job_store import JobNotFound

E = TypeVar("E", bound=StrEnum)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


MOST_KEYWORDS: Final = 10
LONGEST_KEYWORD: Final = 200
"""Characters; no image has a longer one."""
IMAGE_QUERY: Final = ("keyword", "status")
_ALIKE: Final = 0.75
"""Of 1: keywords and keyword are 0.93 alike, wiat and wait 0.75."""


class BadParameter(BadInput):
    """A query parameter has a value that is not understood."""

    default_code = "bad_parameter"


class UnknownParameter(BadInput):
    """A query parameter is none of those that the address takes."""

    default_code = "unknown_parameter"


def refuse_unknown(request: web.Request, *known: str) -> None:
    """Raises UnknownParameter for what is not among the known ones."""
    for name in request.query:
        if name not in known:
            others = f"known are {', '.join(known)}" if known else "there are none"
            raise UnknownParameter(f"There is no parameter {_shown(name)} here; {others}.")


def refuse_slips(request: web.Request, *known: str, meant: Mapping[str, str] = {}) -> None:
    """Raises UnknownParameter for what looks like a known one misspelt; `meant` names further slips."""
    for name in request.query:
        if name in known:
            continue
        near = [meant[name]] if name in meant else get_close_matches(name.lower(), known, n=1, cutoff=_ALIKE)
        if near:
            raise UnknownParameter(f"There is no parameter {_shown(name)} here, but there is {near[0]}.")


def flag(request: web.Request, name: str) -> bool:
    """`?name=true` or `?name=false`; without it false."""
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise BadParameter(f"The parameter {name} must be true or false, not {_shown(value)}.")
    return value == "true"


def number(request: web.Request, name: str, *, default: int, at_most: int) -> int:
    """A whole number from 1 to `at_most`."""
    value = request.query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= at_most):
        text = f"The parameter {name} must be a whole number from 1 to {at_most}, not {_shown(value)}."
        raise BadParameter(text)
    return int(value)


def choice(request: web.Request, name: str, words: type[E]) -> E | None:
    """One of the words, or None without the parameter."""
    value = request.query.get(name)
    if value is None:
        return None
    try:
        return words(value)
    except ValueError:
        text = f"The parameter {name} must be one of {', '.join(words)}, not {_shown(value)}."
        raise BadParameter(text) from None


def image_query(request: web.Request) -> ImageQuery:
    """`?keyword=`, any number of them up to MOST_KEYWORDS, and `?status=`; without them, all images."""
    keywords = request.query.getall("keyword", [])
    if len(keywords) > MOST_KEYWORDS:
        raise BadParameter(
            f"The parameter keyword may be given {MOST_KEYWORDS} times at most, not {len(keywords)} times."
        )
    for keyword in keywords:
        _check_keyword(keyword)
    return ImageQuery(keywords=keywords, status=choice(request, "status", Status))


def _check_keyword(keyword: str) -> None:
    if len(keyword) > LONGEST_KEYWORD:
        text = f"The parameter keyword must have at most {LONGEST_KEYWORD} characters, not {len(keyword)}."
        raise BadParameter(text)
    if not normal_keyword(keyword):
        raise BadParameter("The parameter keyword must not be empty.")


def job_id_of(request: web.Request) -> str:
    """The job that the path names. Raises JobNotFound for what can't be the id of a job."""
    return job_id_in(request.match_info["job_id"])


def job_id_in(text: str) -> str:
    """The job that the text names. Raises JobNotFound likewise."""
    job_id = text.lower()
    if not _UUID.fullmatch(job_id):
        raise JobNotFound("There is no such job.")
    return job_id


def index_of(request: web.Request) -> int:
    """The index that the path names. Raises NotFound for what is none."""
    index = request.match_info["index"]
    if not _INDEX.fullmatch(index):
        raise NotFound(
            "There is no such image: its index must be a whole number from 0.", code="image_not_found"
        )
    return int(index)


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:40] + "...")
