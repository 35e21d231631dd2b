"""Whether an answer that a document shows is one that a gateway gives: the same fields, types and stable words.

Ids, times and sizes may differ, texts in their numbers and in how far an open image is. `lies` says what is wrong, path
by path; an empty list is the truth.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

STABLE_WORDS = ("code", "pointer", "status", "type")
"""Fields whose values are part of the contract."""
TEXTS = ("detail", "error", "message")
"""Fields whose texts are the same but for what differs each time."""
EXACT_HEADERS_BUT = ("content-length", "content-range", "etag", "location")
"""Headers whose values differ from answer to answer."""

_DIFFERS = re.compile(r"\d+|\b(?:pending|processing)\b")
"""An open image goes from one state to the other whether or not somebody asks in between."""

_KINDS = {
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "position": re.compile(r"[0-9a-z]{1,32}:\d+"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}


@frozen
class HttpAnswer:
    """As `curl -i` prints it; header names in lower case."""

    status_line: str
    headers: Mapping[str, str]
    body: str

    @classmethod
    def parse(cls, text: str) -> "HttpAnswer":
        """Of several answers the last, so that `100 Continue` is passed over."""
        last = text.replace("\r\n", "\n")[text.replace("\r\n", "\n").rindex("HTTP/1.1 ") :]
        head, _, body = last.partition("\n\n")
        status_line, *lines = head.splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        return cls(
            status_line.strip(), {name.lower(): value for name, value in headers.items()}, body.strip()
        )


def lies_of_json(shown: str, printed: str) -> list[str]:
    """Each document that is shown must be like one that was printed."""
    real = list(json_documents(printed))
    if not real:
        return [f"no JSON was printed, but {printed[:200]!r}"]
    return [
        lie for document in json_documents(shown) for lie in _least([lies(document, one) for one in real])
    ]


def lies_of_http(shown: str, printed: str) -> list[str]:
    """The status line must be the same, the headers that are shown there, the body alike."""
    wanted, real = HttpAnswer.parse(shown), HttpAnswer.parse(printed)
    if wanted.status_line != real.status_line:
        return [f"{real.status_line}, not {wanted.status_line}"]
    found = []
    for name, value in wanted.headers.items():
        if name not in real.headers:
            found.append(f"no header {name}")
        elif name not in EXACT_HEADERS_BUT and real.headers[name] != value:
            found.append(f"{name} is {real.headers[name]}, not {value}")
    found += _lies_of_event_stream(wanted.body, real.body)
    return found + (lies_of_json(wanted.body, real.body) if wanted.body else [])


def lies(shown: Any, real: Any, at: str = "") -> list[str]:
    """What is wrong about a value that is shown."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return _lies_of_object(shown, real, at)
    if isinstance(shown, list) and isinstance(real, list):
        return _lies_of_list(shown, real, at)
    if _kind(shown) != _kind(real):
        return [f"{at or '/'} is {_kind(real)}, not {_kind(shown)}"]
    return []


def json_documents(text: str) -> Iterator[Any]:
    """JSON documents one behind the other; lines that are none are passed over."""
    decoder, at = json.JSONDecoder(), 0
    while (start := _next_bracket(text, at)) >= 0:
        try:
            document, at = decoder.raw_decode(text, start)
            yield document
        except ValueError:
            at = start + 1


def _lies_of_event_stream(shown: str, real: str) -> list[str]:
    """What stands beside the data of server-sent events must be there in that way; of no other body this is said."""
    there = list(_event_heads(real))
    return [f"no event has {head}, but {there}" for head in _event_heads(shown) if head not in there]


def _event_heads(stream: str) -> Iterator[str]:
    for event in stream.split("\n\n"):
        fields = re.findall(r"^(retry|id|event): (.*)$", event, re.MULTILINE)
        if fields:
            yield ", ".join(f"{name} {_kind(value) if name == 'id' else value}" for name, value in fields)


def _next_bracket(text: str, at: int) -> int:
    match = re.compile(r"[{\[]").search(text, at)
    return match.start() if match else -1


def _lies_of_object(shown: Mapping[str, Any], real: Mapping[str, Any], at: str) -> list[str]:
    found = [f"{at}/{name} is not there" for name in shown if name not in real]
    found += [f"{at}/{name} is there, but not shown" for name in real if name not in shown]
    for name in shown.keys() & real.keys():
        found += lies(shown[name], real[name], f"{at}/{name}")
        if not _says_the_same(name, shown[name], real[name]):
            found.append(f"{at}/{name} is {real[name]!r}, not {shown[name]!r}")
    return found


def _says_the_same(name: str, shown: Any, real: Any) -> bool:
    if name in TEXTS and isinstance(shown, str) and isinstance(real, str):
        return _DIFFERS.sub("0", shown) == _DIFFERS.sub("0", real)
    return name not in STABLE_WORDS or isinstance(shown, dict | list) or shown == real


def _lies_of_list(shown: Sequence[Any], real: Sequence[Any], at: str) -> list[str]:
    if len(shown) == len(real):
        pairs = zip(shown, real, strict=True)
        return [lie for index, pair in enumerate(pairs) for lie in lies(*pair, f"{at}/{index}")]
    if not real:
        return [f"{at} is empty"]
    found = []
    for index, value in enumerate(shown):
        found += _least([lies(value, one, f"{at}/{index}") for one in real])
    return found


def _least(candidates: list[list[str]]) -> list[str]:
    return min(candidates, key=len)


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return type(value).__name__
    if isinstance(value, int | float):
        return "number"
    return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(value)), "text")
