"""What a client may say on the WebSocket for many jobs, as hypothesis draws it, and how each message is answered.

Messages are cut into fragments, with pings between them, as RFC 6455 (section 5.4) allows.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from attrs import define, field, frozen
from hypothesis import strategies as st

from tests.websocket.frames import CONTINUATION, PING, TEXT, frame

STANDING: Final = "the standing job"
"""In place of its id."""
UNKNOWN: Final = "550e8400-e29b-41d4-a716-446655440000"
NO_ID: Final = "nonsense"
ALL: Final = "*"
TOO_MANY_BAD: Final = 20
"""In a row."""


@frozen
class Said:
    """One message, and where it is cut."""

    text: bytes
    cuts: tuple[int, ...] = ()

    def bytes_about(self, job_id: str) -> bytes:
        told = self.text.replace(STANDING.encode(), job_id.encode())
        places = [0, *sorted(cut % (len(told) + 1) for cut in self.cuts), len(told)]
        pieces = [told[begin:end] for begin, end in pairwise(places)]
        last = len(pieces) - 1
        return frame(PING, b"between").join(
            frame(TEXT if index == 0 else CONTINUATION, piece, fin=index == last)
            for index, piece in enumerate(pieces)
        )


JOBS = st.sampled_from([STANDING, STANDING, UNKNOWN, NO_ID, ALL])
ORDERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "unsubscribe"]), "job_id": JOBS},
    optional={"after": st.sampled_from(["", "0", "nonsense", "x:7"]), "images": st.booleans()},
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NEARLY = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "Subscribe", "", 7, None]), "job_id": JOBS | VALUES},
    optional={"after": VALUES, "images": VALUES, "jobId": VALUES},
)
NO_ORDERS = st.one_of(
    VALUES.map(json.dumps).map(str.encode),
    st.text(max_size=30).map(str.encode),
    st.sampled_from(
        [b"", b"[" * 4000, b"1" * 4000, b'{"type":' * 400, b'{"type": NaN}', b"null", b'"\\ud800"']
    ),
)
TEXTS = st.one_of((ORDERS | NEARLY).map(json.dumps).map(str.encode), NO_ORDERS)
CUTS = st.lists(st.integers(0, 4095), max_size=4).map(tuple)
TALKS = st.one_of(
    st.lists(st.builds(Said, TEXTS, CUTS), max_size=TOO_MANY_BAD),
    st.lists(st.builds(Said, NO_ORDERS, CUTS), min_size=TOO_MANY_BAD - 2, max_size=TOO_MANY_BAD + 2),
)


@define
class Answering:
    """What is followed, and the answers: type or code of each."""

    answers: list[str] = field(factory=list)
    is_over: bool = False
    _followed: set[str] = field(factory=set)
    _bad_in_a_row: int = 0

    @classmethod
    def of(cls, talk: Sequence[Said]) -> "Answering":
        answering = cls()
        for said in talk:
            if not answering.is_over:
                answering._hear(said.text)
        return answering

    def _hear(self, text: bytes) -> None:
        order = _order_in(text)
        if order is None:
            self.answers.append("bad_message")
            self._bad_in_a_row += 1
            self.is_over = self._bad_in_a_row == TOO_MANY_BAD
            return
        self._bad_in_a_row = 0
        follow = self._subscribe if order["type"] == "subscribe" else self._unsubscribe
        self.answers.append(follow(order["job_id"]))

    def _subscribe(self, job_id: str) -> str:
        if job_id in self._followed:
            return "already_subscribed"
        if job_id not in (STANDING, ALL):
            return "job_not_found"
        self._followed.add(job_id)
        return "subscribed"

    def _unsubscribe(self, job_id: str) -> str:
        if job_id not in self._followed:
            return "not_subscribed"
        self._followed.remove(job_id)
        return "unsubscribed"


def _order_in(text: bytes) -> dict[str, Any] | None:
    """None where it is none."""
    try:
        order = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(order, dict) or order.get("type") not in ("subscribe", "unsubscribe"):
        return None
    job_id = order.get("job_id")
    optional = {"after": str, "images": bool} if order["type"] == "subscribe" else {}
    is_right = (
        isinstance(job_id, str)
        and 0 < len(job_id) <= 64
        and job_id.isprintable()
        and order.keys() <= {"type", "job_id", *optional}
        and all(isinstance(order[name], kind) for name, kind in optional.items() if name in order)
        and not (job_id == ALL and order.get("images"))  # the list of all has none
    )
    return order if is_right else None
