"""What is common to all doors of one job: what they tell, and how one that lets nobody in is known."""

from collections.abc import AsyncGenerator, Callable
from typing import Final, Protocol

from gateway.client.answers import Event
from gateway.client.close_codes import NO_CLOSE_FRAME
from gateway.client.errors import ClientError, Closed, NotConnected, Refused, Unreachable

EVENT_TYPES: Final = frozenset({"progress", "image_complete", "job_complete"})

UPGRADE_REQUIRED: Final = "upgrade_required"
"""The gateway's word to who has asked for no upgrade: whoever has, sees that it was taken away."""
BUSY: Final = frozenset({429, 503})


class NoSuchDoor(Refused):
    """This gateway has no such address: it is older than this client."""

    def __init__(self, what: str) -> None:
        super().__init__(404, f"This gateway has no door for {what}: it is older than this client.")


class HeldBack(Unreachable):
    """What it has told is not all that there is: the rest is held back on the way. Another door may let it through."""


class Door(Protocol):
    """Leads to one job."""

    def events(
        self, position: str | None, *, images: bool, heard: Callable[[], None]
    ) -> AsyncGenerator[Event, None]:
        """From an opening on, where `position` is gone on from or not, until the job's last event.

        `heard` is told of each sign of life. Raises Closed, Refused, Unreachable or NoGateway when it breaks off,
        HeldBack and NoSuchDoor.
        """


def wishes(position: str | None, *, images: bool) -> dict[str, str]:
    """As the query of a door that goes on by itself has them."""
    return ({"after": position} if position else {}) | ({"images": "true"} if images else {})


def may_be_the_way(error: ClientError) -> bool:
    """Whether a door that has told nothing may be shut by something before the gateway: then another one may be open.

    Not where the gateway itself has spoken, or nobody has answered at all, or what answers is busy.
    """
    if isinstance(error, Refused):
        return error.code == UPGRADE_REQUIRED or (error.by_proxy and error.status not in BUSY)
    if isinstance(error, Closed):
        return error.code == NO_CLOSE_FRAME
    return not isinstance(error, NotConnected)


def is_absent(error: Refused) -> bool:
    """Whether there is no such address; of a job that is not there a gateway says so."""
    return error.status in (404, 405, 501) and error.code != "job_not_found"
