"""Follows many jobs: over one WebSocket, or each by itself where there is none that carries all of them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

from attrs import define, field

from gateway.client.answers import Event
from gateway.client.coming_back import ComingBack
from gateway.client.errors import ClientError, Closed, NoGateway, Refused, Unreachable
from gateway.client.http import Http
from gateway.client.live.doors.door import UPGRADE_REQUIRED, NoSuchDoor, may_be_the_way
from gateway.client.live.doors.way import Way
from gateway.client.live.each_alone import EachAlone
from gateway.client.live.jobs import Jobs
from gateway.client.live.one_connection import OneConnection
from gateway.client.polling import Polling

TRIES: Final = 2
"""A WebSocket that fails so often, with an answer over HTTP behind each time, is shut; one time may be a restart."""


class _NoneCarriesAll(Exception):
    """No WebSocket for many jobs gets through, and the gateway is there."""


@define(eq=False)
class ManyJobs:
    """Events of the jobs that have not ended: each goes on where its last connection stopped."""

    _http: Http
    _way: Way
    _jobs: Jobs
    _images: bool = field(kw_only=True)
    _together: OneConnection = field(init=False)

    @_together.default
    def _over_one_connection(self) -> OneConnection:
        return OneConnection(self._http, self._jobs, images=self._images)

    async def events(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """What is new, over all connections, until the last job's last event. Raises the error that is final."""
        with suppress(_NoneCarriesAll):
            async with aclosing(coming_back.over(self._connect)) as events:
                async for event in events:
                    yield event
            return
        # Not within what comes back: each job does so by itself, and who has given up on one has given up.
        alone = EachAlone(self._http, self._way, self._jobs, images=self._images)
        async with aclosing(alone.events(coming_back)) as events:
            async for event in events:
                yield event

    async def _connect(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """What one connection tells that is new."""
        if not self._jobs.open:
            return
        for _ in range(TRIES if self._way.first == 0 else 0):
            try:
                async with aclosing(self._together.events(coming_back)) as events:
                    async for event in events:
                        yield event
                return
            except (Closed, Refused, Unreachable, NoGateway) as error:
                if self._together.has_spoken or not await self._is_shut(error):
                    raise
                if _is_certain(error):
                    break
        raise _NoneCarriesAll

    async def _is_shut(self, error: ClientError) -> bool:
        """Whether it may be that one door alone, for the gateway answers over HTTP."""
        if _is_certain(error):
            return True
        if not may_be_the_way(error):
            return False
        try:
            await Polling(self._http).status(next(iter(self._jobs.open)))
        except Refused as refusal:
            return not refusal.by_proxy
        except (Unreachable, NoGateway):
            return False
        return True


def _is_certain(error: ClientError) -> bool:
    """Whether the gateway says it itself: that it has no such door, or that the upgrade was taken away."""
    return isinstance(error, NoSuchDoor) or (isinstance(error, Refused) and error.code == UPGRADE_REQUIRED)
