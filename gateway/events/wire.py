"""How news is written for one kind of door, and how a subscription begins there."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from gateway.domain.events import Event
from gateway.domain.job import Job


@frozen(kw_only=True)
class Opening:
    """The first message of a subscription: the state as `event` tells it, after which the log goes on.

    `resumed`: the subscriber has named that event, and gets all that came after it. `job` is shown with all its
    images; None where they were not asked for. `seq` is the number of the last event that the subscriber need not be
    sent any more, `known` that of the newest one there is.
    """

    event: Event
    resumed: bool
    seq: int
    known: int
    job: Job | None = None


class Wire(Protocol):
    """Turns news into the bytes of one kind of door; compared by identity, so that those of one kind share them."""

    def opening(self, job_id: str, opening: Opening) -> bytes:
        """The first message."""

    def news(self, job_id: str, events: Sequence[Event]) -> bytes:
        """One message for each of the events, in a row; nothing for those that this kind of door does not show."""
