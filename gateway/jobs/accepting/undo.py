"""Removes what a request had put into the object store, for it ends without a job.

What can't be removed now is left to the cleaner: its reservations stand, and are due soon. So are those of a put of
which some try was given up, however well its object was removed: a store may keep what it was sent a while after nobody
waits for it.

What is being undone is no matter of the request any more: that one may be cancelled, for the gateway stops.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from attrs import define

from gateway.cancellation import to_its_end
from gateway.errors import GatewayError, NoRoom, Unavailable
from gateway.jobs.originals import possible_keys
from gateway.jobs.side_by_side import for_each
from gateway.ports.clock import Clock
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore
from gateway.ports.reservations import Reservations

log = structlog.get_logger(__name__)

_WITHIN_S: Final = 10.0
"""How long a request that has failed waits for it, and as long again for what leaves it to the cleaner."""
_DELETES_AT_ONCE: Final = 8
GIVEN_UP: Final = (Unavailable, NoRoom, TimeoutError)
"""What a put ends by that may be under way all the same. A cancelled one has ended, where puts are not repeated."""


@define(eq=False)
class Undo:
    """`late_s`: what is sent to the store arrives within that time, or never. `puts_are_repeated`: the store does it by
    itself, so that also of a put that was done, an earlier try may be under way.
    """

    _objects: ObjectStore
    _reservations: Reservations
    _clock: Clock
    _late_s: float
    _puts_are_repeated: bool

    async def __call__(self, used: Sequence[str], *, gave_up_a_put: bool) -> None:
        """Nothing lies under these reserved trace_ids any more, or soon. None of their puts is waited for any more."""
        if used:
            await to_its_end(self._undo(used, gave_up_a_put=gave_up_a_put), grace_s=2 * _WITHIN_S)

    async def _undo(self, used: Sequence[str], *, gave_up_a_put: bool) -> None:
        try:
            async with asyncio.timeout(_WITHIN_S):
                if self._puts_are_repeated or gave_up_a_put:
                    # First, so that they are due soon whatever becomes of the rest.
                    await self._leave_to_cleaner(used)
                    await self._remove(used)
                else:
                    await self._remove(used)
                    await self._reservations.release(used)
        except (GatewayError, TimeoutError) as error:
            log.warning("undo left to the cleaner", images=len(used), reason=_why(error))
            await self._try_to_leave_to_cleaner(used)

    async def _remove(self, used: Sequence[str]) -> None:
        keys = [ObjectKey(Bucket.ORIGINAL, key) for trace_id in used for key in possible_keys(trace_id)]
        await for_each(keys, self._objects.delete, at_once=_DELETES_AT_ONCE)

    async def _try_to_leave_to_cleaner(self, used: Sequence[str]) -> None:
        """Else it comes to them when they are overdue by themselves."""
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._leave_to_cleaner(used)
        except (GatewayError, TimeoutError) as error:
            log.warning("reservations stand for long", images=len(used), reason=_why(error))

    async def _leave_to_cleaner(self, used: Sequence[str]) -> None:
        deadline = self._clock.now() + timedelta(seconds=self._late_s)
        await self._reservations.reserve(used, deadline=deadline)


def _why(error: GatewayError | TimeoutError) -> str:
    return str(error) or f"it took longer than {_WITHIN_S:g} s"
