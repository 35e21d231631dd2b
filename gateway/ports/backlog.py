"""What is left to do, over all jobs; the store itself is the outbox."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.domain.job import Stage


class Backlog(Protocol):
    """Images are told by job, as indices. All methods raise Unavailable."""

    async def to_fetch(
        self, now: datetime, *, limit: int, max_running: int, after: str | None = None
    ) -> Mapping[str, Sequence[int]]:
        """Images that wait for a download and whose time has come.

        Jobs in the order of their commits, beginning behind the job `after` and going round, so that who asks with
        the last one served lets all take turns. At most `limit` jobs with at most `limit` images each. Of jobs that
        are pending the oldest, and only so many that with them not more than `max_running` are processing.
        """

    async def to_publish(
        self, now: datetime, *, limit: int, max_running: int, after: str | None = None
    ) -> Mapping[str, Sequence[int]]:
        """Images that wait for their place in the broker, likewise."""

    async def in_flight(self) -> int:
        """Images whose newest attempt is in the broker, without a result yet."""

    async def open_images(self) -> Mapping[Stage, int]:
        """How many images have not ended, by what they wait for. It goes over them all: to be asked now and then."""

    async def without_result(self, published_before: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        """Images whose newest attempt was published before then and has no result: the `limit` oldest."""

    async def accepted_before(self, moment: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        """Images, at most `limit`, that have not ended, of jobs accepted before then."""

    async def forget_publishes(self) -> int:
        """Take every open attempt as unpublished, for a broker that forgot them when the process died.

        Each is one more interruption of its image. Returns how many.
        """

    async def take_back_publishes(self) -> int:
        """The same at a clean stop, which interrupts nothing."""

    async def interrupted(self, times: int) -> Mapping[str, Sequence[int]]:
        """Images that wait for their place in the broker and were interrupted so often, or more, the oldest first.

        It goes over all that wait: for a start.
        """

    async def ended_before(self, moment: datetime, *, limit: int) -> Sequence[str]:
        """Ids of jobs that ended before then, oldest first."""
