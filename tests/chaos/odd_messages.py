"""Messages that may lie among the results, and that are none: malformed, of others, of jobs and attempts that nobody
knows. No two that are to be found again are alike.
"""

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from attrs import frozen

PREFIX = "b"
DEEP = 100_000
LARGE_BYTES = 200_000

Fields = Mapping[str, Any]


@frozen
class Message:
    body: bytes
    headers: Mapping[str, Any] = {}

    @property
    def identity(self) -> tuple[bytes, str]:
        """By which it is found again, unchanged."""
        return self.body, json.dumps(self.headers, sort_keys=True)


def a_result(trace_id: str, group_id: str, **changes: Any) -> dict[str, Any]:
    """A failed one, as the existing processor writes it."""
    fields = {
        "timestamp": "2026-11-24T22:09:32.225014091+02:00",
        "trace_id": trace_id,
        "group_id": group_id,
        "telegram_username": "",
        "original_filename": "odd.jpg",
        "processed_path": "",
        "status": "failed",
        "error": "exiftool failed: exit status 1",
        "telegram_id": 0,
    }
    return fields | changes


def message(fields: Fields, headers: Mapping[str, Any] = {}) -> Message:
    return Message(json.dumps(fields).encode(), headers)


def of_attempt(trace_id: str, number: int) -> str:
    """The name of an attempt of the image, as it stands in messages."""
    return trace_id if number == 1 else f"{trace_id}-a{number}"


def a_rejected_upload(result: Fields) -> Message:
    """The dead letter that there would be, had the analyzer rejected what this result came of."""
    fields = {
        "timestamp": "2026-11-24T22:06:21.500416Z",
        "trace_id": result["trace_id"],
        "group_id": result["group_id"],
        "telegram_username": f"batch_{result['group_id']}",
        "original_filename": result["original_filename"],
        "original_path": f"{result['trace_id']}/original.jpg",
        "telegram_id": 0,
    }
    death = {
        "count": 1,
        "reason": "rejected",
        "queue": "image_upload",
        "exchange": "",
        "routing-keys": ["image_upload"],
    }
    return message(fields, {"x-death": [death], "x-first-death-queue": "image_upload"})


# --- of others

FOREIGN_NAMES: tuple[Callable[[], str], ...] = (
    lambda: str(uuid4()),
    lambda: f"x-{uuid4()}",
    lambda: f"{PREFIX}{PREFIX}-{uuid4()}",
    lambda: f"{PREFIX.upper()}-{uuid4()}",
    lambda: f"{PREFIX}-{uuid4()}-a0",
    lambda: f"{PREFIX}-{uuid4()}-a1",
    lambda: f"{PREFIX}-{uuid4()}-a02",
    lambda: f"{PREFIX}-{uuid4()} ",
    lambda: f"{PREFIX}-{uuid4().hex}",
    lambda: "",
)
"""What looks like a trace_id of ours, and is none."""
HEADERS: tuple[Fields, ...] = (
    {},
    {"owner": "telegram", "tries": 3},
    {"failure-code": "damaged", "nested": {"list": [1, "two", {"three": True}]}},
)


def foreign(dice: random.Random, real: Fields, number: int) -> Message:
    """A well-formed result, perhaps of a group that is ours."""
    group_id = dice.choice((str(uuid4()), real["group_id"], ""))
    fields = a_result(dice.choice(FOREIGN_NAMES)(), group_id, number=number, error="größer\n☃")
    if dice.random() < 0.5:
        fields |= {"status": "completed", "processed_path": f"processed/odd-{number}/odd.jpg"}
    return message(fields, dice.choice(HEADERS))


# --- malformed

MALFORMED_FIELDS: tuple[Fields, ...] = (
    {"status": "done"},
    {"status": None},
    {"status": 1},
    {"status": ""},
    {"trace_id": 5},
    {"group_id": ["a"]},
    {"telegram_id": "0"},
    {"telegram_id": 0.5},
    {"telegram_id": True},
    {"telegram_id": 2**63},
    {"timestamp": "yesterday"},
    {"timestamp": "2026-13-24T22:06:21Z"},
    {"timestamp": "2026-11-24T22:06:21"},
    {"error": {"text": "no"}},
    {"processed_path": False},
)
MALFORMED_BODIES: tuple[Callable[[bytes], bytes], ...] = (
    lambda mark: b"[" + mark + b"]",
    lambda mark: b'"' + mark + b'"',
    lambda mark: mark,
    lambda mark: b"{'single': " + mark + b"}",
    lambda mark: b'{"status": "failed", "number": ' + mark,
    lambda mark: b'{"status": "failed", "error": "\xff", "number": ' + mark + b"}",
    lambda mark: b'{"status": "failed", "number": ' + mark + b"} and more",
    lambda mark: b"\x00" + mark,
    lambda mark: b"\xef\xbb\xbf{" + mark,
    lambda mark: b"[" * DEEP + mark + b"]" * DEEP,
    lambda mark: b"x" * LARGE_BYTES + mark,
    lambda _: b"",
)


def malformed(dice: random.Random, real: Fields, number: int) -> Message:
    """Something that is no result: of a live attempt, if of any."""
    if dice.random() < 0.5:
        make = dice.choice(MALFORMED_BODIES)
        return Message(make(str(number).encode()), dice.choice(HEADERS))
    fields = a_result(real["trace_id"], real["group_id"], number=number)
    return message(fields | dict(dice.choice(MALFORMED_FIELDS)), dice.choice(HEADERS))


# --- ours, and to be forgotten


def of_an_unknown_job(dice: random.Random, number: int) -> Fields:
    """As if that job had been cleaned up; a completed one names an object."""
    trace_id = of_attempt(f"{PREFIX}-{uuid4()}", dice.choice((1, 1, 2, 17)))
    if dice.random() < 0.5:
        return a_result(trace_id, str(uuid4()), number=number)
    # Not under "processed/": rclone removes a folder with its last object, and loses one that comes at that moment.
    path = f"{trace_id}/odd.jpg"
    return a_result(trace_id, str(uuid4()), number=number, status="completed", processed_path=path)


def of_an_unknown_attempt(real: Fields, number: int) -> Fields:
    """A failure of an attempt that was never made, of an image that is still open."""
    return a_result(of_attempt(first_attempt(real["trace_id"]), 1000), real["group_id"], number=number)


def contradicting(real: Fields, number: int) -> Fields:
    """The same attempt failed, though it was completed: its object is named, and stays."""
    return dict(real) | {"status": "failed", "error": "on second thoughts", "number": number}


def first_attempt(name: str) -> str:
    """The image's trace_id, by the name of any of its attempts."""
    return re.sub(r"-a\d{1,6}$", "", name)
