"""What an endpoint answered, read as a reply of the model, or as the failure that it is. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import orjson
from attrs import frozen

from gateway.analyzer.vision.failures import Complaint, failure_of, in_trouble, refused, unreadable
from gateway.analyzer.vision.words import Unreadable, words_in
from gateway.errors import GatewayError
from gateway.failure_codes import ANALYSIS_REFUSED
from gateway.metadata import Metadata


@frozen
class Usage:
    """What a request took: tokens, and dollars where the endpoint tells them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


@frozen
class Reply:
    """What the model said, how it ended, and what it took."""

    text: str
    refusal: str
    finish_reason: str
    usage: Usage

    def words(self) -> Metadata:
        """What it says of the picture. Raises RequestFailed."""
        if self.refusal or self.finish_reason == "content_filter":
            raise refused(Complaint(self.refusal).excerpt())
        try:
            return words_in(self.text, is_cut=self.finish_reason == "length")
        except Unreadable as error:
            raise unreadable(error) from error
        except GatewayError as error:
            if error.code == ANALYSIS_REFUSED:
                raise refused(Complaint(self.text).excerpt()) from error
            raise


def reply_of(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """Of a whole answer. Raises RequestFailed when it holds no reply."""
    answer = _json(body)
    error = _mapping(answer).get("error")
    if status >= 300:
        raise failure_of(status, headers, Complaint.of(error or body[:4000].decode(errors="replace")))
    if error:
        raise _error_in_good_clothes(headers, error)
    if not isinstance(answer, Mapping):
        raise in_trouble("answers, but not as one that speaks chat completions: look at vision.url")
    return _reply(answer)


def _reply(answer: Mapping[str, Any]) -> Reply:
    choice = _mapping(_first(answer.get("choices")))
    if error := choice.get("error"):
        raise _error_in_good_clothes({}, error)
    message = _mapping(choice.get("message"))
    return Reply(
        text=_content(message.get("content")),
        refusal=_str(message.get("refusal")),
        finish_reason=_str(choice.get("finish_reason")),
        usage=_usage(_mapping(answer.get("usage"))),
    )


def _error_in_good_clothes(headers: Mapping[str, str], error: Any) -> Exception:
    """An error under status 200, as OpenRouter sends one that it met after it had begun to answer."""
    complaint = Complaint.of(error)
    code = _mapping(error).get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return failure_of(code, headers, complaint)
    if complaint.is_moderation:
        return refused(complaint.excerpt())
    return in_trouble("answers with an error", complaint.excerpt())


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _content(content: Any) -> str:
    """A text, or parts of which some are text."""
    if isinstance(content, list):
        return "".join(_str(_mapping(part).get("text")) for part in content)
    return _str(content)


def _usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(
        prompt_tokens=int(_amount(usage.get("prompt_tokens"))),
        completion_tokens=int(_amount(usage.get("completion_tokens"))),
        cost=_amount(usage.get("cost")),
    )


def _amount(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if math.isfinite(value) and value > 0 else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
