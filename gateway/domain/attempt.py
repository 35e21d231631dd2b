"""Names of attempts on the wire.

An image's first attempt is called `<prefix>-<uuid>`, which stays the image's trace_id for good; later attempts
are `<prefix>-<uuid>-a2`, `-a3`, ... Messages have no field for the attempt, so its name carries the number, and
the prefix says that a message is ours, also after the job was cleaned up.
"""

import re
from uuid import UUID

from attrs import frozen

from gateway.domain.random_bytes import random_bytes

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LATER = re.compile(rf"(?P<first>.+-{_UUID})(?:-a(?P<number>[1-9][0-9]{{0,5}}))?")


@frozen
class AttemptName:
    """One attempt as messages name it: the image's `trace_id`, and which attempt it is (from 1)."""

    trace_id: str
    number: int

    def __str__(self) -> str:
        return self.trace_id if self.number == 1 else f"{self.trace_id}-a{self.number}"


def new_trace_id(prefix: str) -> str:
    """A name that no other image has: at most 100 characters, no slash."""
    (trace_id,) = new_trace_ids(prefix, 1)
    return trace_id


def new_trace_ids(prefix: str, number: int) -> list[str]:
    """So many of them."""
    return [f"{prefix}-{UUID(bytes=random_bytes(), version=4)}" for _ in range(number)]


def parse_attempt(text: str, prefix: str) -> AttemptName | None:
    """The attempt that a message names, or None when the name is not one of ours."""
    match = _LATER.fullmatch(text)
    if match is None or not text.startswith(f"{prefix}-"):
        return None
    number = int(match["number"] or 1)
    name = AttemptName(match["first"], number)
    return name if str(name) == text and len(name.trace_id) == len(prefix) + 37 else None
