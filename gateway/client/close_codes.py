"""What the close code of a WebSocket means to a client: whether to come back, and when.

Codes below 4000 are those of RFC 6455 (section 7.4.1) and its registry; from 4000 on they are the gateway's own: up to
4499 a client comes back, from 4500 on it does not.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from gateway.client.errors import Closed

NORMAL: Final = 1000
LEAVING: Final = 1001
NO_CLOSE_FRAME: Final = 1006
"""Never sent: the connection ended without a word."""
JOB_DELETED: Final = 4500

FINAL_CODES: Final = range(4500, 5000)


class ComeBack(Enum):
    """What to do after a connection was closed."""

    SOON = "soon"
    SPREAD = "at any time within a while, for all others come back too"
    LATER = "after a while"
    NEVER = "never"


_RULES: Final[Mapping[int, tuple[ComeBack, str]]] = {
    NORMAL: (ComeBack.NEVER, "all has been said"),
    LEAVING: (ComeBack.SPREAD, "the gateway stops"),
    1002: (ComeBack.NEVER, "the client broke the protocol"),
    1003: (ComeBack.NEVER, "the client sent data of a kind that is not taken"),
    NO_CLOSE_FRAME: (ComeBack.SOON, "the connection was lost"),
    1007: (ComeBack.NEVER, "the client sent text that is none"),
    1008: (ComeBack.NEVER, "the client did what is not allowed"),
    1009: (ComeBack.NEVER, "the client sent a message that is too large"),
    1010: (ComeBack.NEVER, "the client asked for an extension that is not there"),
    1011: (ComeBack.SOON, "the gateway has failed"),
    1012: (ComeBack.SPREAD, "the gateway starts anew"),
    1013: (ComeBack.LATER, "the gateway has too much to do"),
    4000: (ComeBack.SOON, "the client was too slow"),
    4001: (ComeBack.SOON, "the client gave no sign of life"),
    JOB_DELETED: (ComeBack.NEVER, "the job was deleted"),
    4501: (ComeBack.NEVER, "the client sent too many bad messages"),
}


def come_back_after(code: int) -> ComeBack:
    if code in _RULES:
        return _RULES[code][0]
    return ComeBack.NEVER if code in FINAL_CODES else ComeBack.SOON


def closed(address: str, code: int) -> Closed:
    """The error that tells of it."""
    why = f": {_RULES[code][1]}" if code in _RULES else ""
    return Closed(code, f"the connection to the gateway at {address} was closed (code {code}){why}")
