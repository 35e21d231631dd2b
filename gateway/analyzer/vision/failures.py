"""What a request that brought no words means: for its image, and for the next request. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.vision.texts import clean, shortened
from gateway.analyzer.vision.words import Unreadable
from gateway.failure_codes import ANALYSIS_REFUSED, ANALYSIS_UNAVAILABLE
from gateway.fetch.answers import retry_after_s

MAX_EXCERPT: Final = 200
"""Characters of what an endpoint says of an error, for the log."""
UNREADABLE_TRIES: Final = 2
"""A model that makes no sense twice will not the third time, and each costs."""

_MAY_GO_BETTER: Final = frozenset({408, 409, 425, 429})
_WITH_RETRY_AFTER: Final = frozenset({429, 503})
_LOOK_AT: Final[Mapping[int, str]] = {
    401: "refuses the key: look at vision.api_key (OPENROUTER_API_KEY)",
    402: "asks for payment: look at the account's credit",
    403: "forbids it: look at what the key may do",
    404: "knows no such model or address: look at vision.model and vision.url",
    413: "finds the request too large: lower vision.longest_side",
}
_MODERATION = re.compile(
    r"moderation|content[_ -]?(?:policy|filter)|safety system|safety_violation", re.IGNORECASE
)
_KEY = re.compile(r"\b(?:sk|key)-[\w*-]+")
_DECLINED = re.compile(
    r"Unsupported (?:parameter|value): '(?P<member>max_tokens|temperature)'", re.IGNORECASE
)
"""How OpenAI says it of its newer models, and servers before it pass it on."""
TRIES_WITH_LESS: Final = 3
"""Requests until both of these members have been left out."""


class Down(AnalysisFailed):
    """The endpoint brings nothing: it is away, limits us, or wants none of our requests."""

    default_code = ANALYSIS_UNAVAILABLE


class RequestFailed(Exception):
    """One request brought no words.

    `failure` is what is said of the image when no other request follows; `outcome` is a word of the metrics.
    `most_tries` is how many requests such a failure is worth, None where time and settings alone bound them.
    `retry_after_s` is how long the endpoint wants no request at all. `is_down`: the endpoint itself is in trouble,
    whatever image it is asked about. `declined` is a member of the request that the model does not take.
    """

    def __init__(
        self,
        failure: AnalysisFailed,
        outcome: str,
        *,
        most_tries: int | None = 1,
        retry_after_s: float | None = None,
        is_down: bool = False,
        declined: str = "",
    ) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.outcome = outcome
        self.most_tries = most_tries
        self.retry_after_s = retry_after_s
        self.is_down = is_down
        self.declined = declined


@frozen
class Complaint:
    """What an endpoint says of an error: `{"error": {...}}` as OpenAI and OpenRouter have it, or any text."""

    text: str = ""
    kind: str = ""
    is_flagged: bool = False

    @classmethod
    def of(cls, error: Any) -> "Complaint":
        if not isinstance(error, Mapping):
            return cls(error if isinstance(error, str) else "")
        metadata = error.get("metadata")
        details = metadata if isinstance(metadata, Mapping) else {}
        message = error.get("message")
        return cls(
            text=message if isinstance(message, str) else "",
            kind=f"{error.get('code')} {error.get('type')}",
            is_flagged="flagged_input" in details or bool(details.get("reasons")),
        )

    @property
    def is_moderation(self) -> bool:
        return self.is_flagged or bool(_MODERATION.search(f"{self.kind} {self.text[:2000]}"))

    def excerpt(self) -> str:
        """Short, on one line, without what looks like a key."""
        return _KEY.sub("***", shortened(clean(self.text[: 10 * MAX_EXCERPT]), MAX_EXCERPT))


def refused(detail: str = "") -> RequestFailed:
    text = "The model refuses to describe this image."
    return RequestFailed(AnalysisFailed(text, code=ANALYSIS_REFUSED, detail=detail), "refused")


def unreadable(failure: Unreadable) -> RequestFailed:
    return RequestFailed(failure, "unreadable", most_tries=UNREADABLE_TRIES)


def in_trouble(what: str, detail: str = "", *, outcome: str = "failed") -> RequestFailed:
    """It may be over in a moment."""
    failure = Down(f"The vision endpoint {what}.", detail=detail)
    return RequestFailed(failure, outcome, most_tries=None, is_down=True)


def hopeless(what: str, detail: str = "") -> RequestFailed:
    """It stays so until somebody changes something."""
    return RequestFailed(Down(f"The vision endpoint {what}.", detail=detail), "rejected")


def without(member: str, detail: str) -> RequestFailed:
    """It goes on when the next request leaves that out."""
    failure = Down(f"The vision endpoint does not take {member} with this model.", detail=detail)
    return RequestFailed(failure, "rejected", most_tries=TRIES_WITH_LESS, declined=member)


def failure_of(status: int, headers: Mapping[str, str], complaint: Complaint) -> RequestFailed:
    """What an answer with that status means, none of 2xx."""
    excerpt = complaint.excerpt()
    if status in (400, 403) and complaint.is_moderation:
        return refused(excerpt)
    if status == 400 and (declined := _DECLINED.search(excerpt)):
        return without(declined["member"].lower(), excerpt)
    if 300 <= status < 400:
        return hopeless(f"redirects ({status}), which is not followed: look at vision.url")
    if status not in _MAY_GO_BETTER and status < 500:
        look_at = _LOOK_AT.get(status, "does not take the request: look at vision.model and the log")
        return hopeless(f"{look_at} ({status})", excerpt)
    wait_s = retry_after_s(headers) if status in _WITH_RETRY_AFTER else None
    if status == 429:
        failure = Down("The vision endpoint takes no more requests for now (429).", detail=excerpt)
        return RequestFailed(failure, "limited", most_tries=None, retry_after_s=wait_s)
    failure = Down(f"The vision endpoint is in trouble ({status}).", detail=excerpt)
    return RequestFailed(failure, "failed", most_tries=None, retry_after_s=wait_s, is_down=True)
