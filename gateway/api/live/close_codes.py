"""Every code by which a WebSocket of ours may be closed, and what the client is to do then.

RFC 6455 (7.4) has those below 4000; of ours, 4000 to 4499 mean "come back" and 4500 to 4999 "don't", so that a client
knows what to do with one that it has never heard of.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen


@frozen
class CloseCode:
    """`come_back`: whether the same subscription may succeed, with the id of the last event as `after`."""

    code: int
    meaning: str
    come_back: bool


ENDED: Final = CloseCode(1000, "The job has ended.", come_back=False)
LEAVING: Final = CloseCode(1001, "The gateway stops.", come_back=True)
PROTOCOL_ERROR: Final = CloseCode(1002, "The client broke the protocol.", come_back=False)
UNSUPPORTED_DATA: Final = CloseCode(1003, "The client sent bytes where text is spoken.", come_back=False)
ABNORMAL: Final = CloseCode(1006, "No close frame: the connection is lost, or was cut off.", come_back=True)
INVALID_TEXT: Final = CloseCode(1007, "The client sent text that is no UTF-8.", come_back=False)
TOO_BIG: Final = CloseCode(1009, "The client sent a message that is too long.", come_back=False)
CRASHED: Final = CloseCode(1011, "A bug of the gateway, which its log tells of.", come_back=True)
RESTARTING: Final = CloseCode(1012, "The gateway, or a proxy before it, starts anew.", come_back=True)
OVERLOADED: Final = CloseCode(1013, "The gateway can't read the log of the job now.", come_back=True)
TOO_SLOW: Final = CloseCode(
    4000,
    "The client took nothing of what was sent to it; it sees 1006, for it can't be told.",
    come_back=True,
)
SILENT: Final = CloseCode(4001, "There was no sign of life of the client.", come_back=True)
JOB_DELETED: Final = CloseCode(4500, "The job was deleted.", come_back=False)
BAD_MESSAGES: Final = CloseCode(4501, "The client sent too many messages that are none.", come_back=False)

CATALOGUE: Final[Mapping[int, CloseCode]] = MappingProxyType(
    {
        close.code: close
        for close in (
            ENDED, LEAVING, PROTOCOL_ERROR, UNSUPPORTED_DATA, ABNORMAL, INVALID_TEXT, TOO_BIG, CRASHED, RESTARTING,
            OVERLOADED, TOO_SLOW, SILENT, JOB_DELETED, BAD_MESSAGES,
        )
    }
)  # fmt: skip
