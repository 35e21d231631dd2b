"""What a client says on a WebSocket for many jobs: one JSON object a message, read strictly.

A field that is not known is refused and not passed over: misspelt, an `after` would be lost without a word.
"""

import json
from collections.abc import Mapping
from typing import Final, NoReturn

from attrs import frozen

from gateway.errors import BadInput

ALL_JOBS: Final = "*"
"""In place of a job's id."""
LONGEST_JOB_ID: Final = 64
"""Characters; no job has a longer one."""

_FIELDS: Final[Mapping[str, Mapping[str, type]]] = {
    "subscribe": {"type": str, "job_id": str, "after": str, "images": bool},
    "unsubscribe": {"type": str, "job_id": str},
}
_CALLED: Final[Mapping[type, str]] = {str: "a text", bool: "true or false"}


class BadMessage(BadInput):
    """What a client said is none of its messages; `job_id` is what it named, as far as that could be made out."""

    default_code = "bad_message"

    def __init__(self, text: str, *, job_id: str | None = None) -> None:
        super().__init__(text)
        self.job_id = job_id


@frozen(kw_only=True)
class Subscribe:
    """Follow that job, as it is named, or all, whose images are not told.

    `after` is the id of the last event that was seen.
    """

    job_id: str
    after: str | None = None
    images: bool = False


@frozen(kw_only=True)
class Unsubscribe:
    """Follow it no more."""

    job_id: str


def read_message(text: str) -> Subscribe | Unsubscribe:
    """Raises BadMessage."""
    message = _parsed(text)
    if not isinstance(message, dict):
        raise BadMessage("A message must be a JSON object.")
    job_id = _job_id_of(message)
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise BadMessage("The type of a message must be subscribe or unsubscribe.", job_id=job_id)
    if job_id is None:
        raise BadMessage(
            f"A message must name a job_id, a text of 1 to {LONGEST_JOB_ID} characters; {ALL_JOBS} for all jobs."
        )
    _check_fields(message, _FIELDS[kind], job_id)
    if kind == "unsubscribe":
        return Unsubscribe(job_id=job_id)
    subscribe = Subscribe(job_id=job_id, after=message.get("after"), images=message.get("images", False))
    if subscribe.images and job_id == ALL_JOBS:
        raise BadMessage(
            "The list of all jobs has no images in it: leave the field images out.", job_id=job_id
        )
    return subscribe


def _parsed(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadMessage("A message must be JSON.") from None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise BadMessage("A message must not have a field twice.")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _job_id_of(message: Mapping[str, object]) -> str | None:
    """What can be said back, half a surrogate pair say can't."""
    job_id = message.get("job_id")
    is_readable = isinstance(job_id, str) and 0 < len(job_id) <= LONGEST_JOB_ID and job_id.isprintable()
    return str(job_id) if is_readable else None


def _check_fields(message: Mapping[str, object], known: Mapping[str, type], job_id: str) -> None:
    for name, value in message.items():
        if name not in known:
            raise BadMessage(
                f"A message of this type has the fields {', '.join(known)} and no others.", job_id=job_id
            )
        if not isinstance(value, known[name]):
            raise BadMessage(f"The field {name} must be {_CALLED[known[name]]}.", job_id=job_id)
