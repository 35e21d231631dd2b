"""Sweeps the dead letters: one of ours ends an attempt, and the image is sent again or fails.

A copy of each of ours is kept in the transaction that ends its attempt, and only then is the message acked: a crash in
between brings it once more, which changes nothing. Where the code says that another attempt would end likewise, there
is none.

Others' messages, and those that nobody can read, are looked at and given back in their order; while nothing but those
lie there, they are looked at again only now and then. One gateway sweeps at a time: what one holds while it looks,
another would not see, and take for gone.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog
from attrs import define, evolve, field

from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.domain.transitions import attempt_refused, attempt_rejected
from gateway.events.latest import LatestJobs
from gateway.failure_codes import NOT_ASKED_AGAIN
from gateway.jobs.dead_letters.rejected import RejectedAttempt, rejected_attempt
from gateway.jobs.lease import Lease
from gateway.jobs.ledger import Ledger
from gateway.jobs.settings import JobsSettings
from gateway.pacing import keep_doing
from gateway.ports.broker import Broker, Delivery, Queue
from gateway.ports.clock import Clock
from gateway.ports.dead_letters import DeadLetterStore
from gateway.ports.job_store import JobNotFound
from gateway.ports.leases import Leases
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

SWEEP_LIMIT: Final = 1000
"""Dead letters that are looked at in one sweep."""
OTHERS_AGAIN_S: Final = 30.0
"""Between two looks at the same number of messages none of which was ours."""
LEASE: Final = "dead-letter-sweep"
LEASE_S: Final = 120.0
"""Longer than a broker and a store that answer at all take for a sweep."""


@define(eq=False)
class DeadLetters:
    """A Service."""

    _ledger: Ledger
    _latest: LatestJobs
    _letters: DeadLetterStore
    _leases: Leases
    _broker: Broker
    _clock: Clock
    _settings: JobsSettings
    _metrics: Metrics
    _queue_name: Callable[[Queue], str] = str
    """What the operator calls a queue."""
    name: str = "dead-letters"
    _lease: Lease = field(init=False)
    _others: int = field(init=False, default=0)
    """So many messages lay there when none was ours."""
    _behind: int = field(init=False, default=0)
    """So many of them were not looked at."""
    _look_again_at: float = field(init=False, default=float("-inf"))

    @_lease.default
    def _new_lease(self) -> Lease:
        return Lease(self._leases, self._clock, LEASE, LEASE_S)

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=self._settings.poll_s)

    async def run_once(self) -> None:
        """Look at what lies there now, unless another does. Raises Unavailable when the broker or the store is down."""
        async with self._lease.turn() as is_ours:
            if is_ours:
                await self._look()

    def warnings(self) -> Sequence[str]:
        """What an operator should know of now, a line each, for readyz."""
        if not self._behind:
            return ()
        name, seen = self._queue_name(Queue.DEAD_LETTER), self._others - self._behind
        line = (
            f"{name} holds {self._others} messages, and only the first {seen} are looked at, none of which is ours: "
            f"those of ours among the {self._behind} behind them are missed at their deadline alone. Empty the queue."
        )
        return [line]

    async def _look(self) -> None:
        messages = (await self._broker.depth(Queue.DEAD_LETTER)).messages
        if messages == 0:
            self._metrics.jobs.foreign_dead_letters.set(0)
            self._others = self._behind = 0
        elif messages != self._others or self._clock.monotonic() >= self._look_again_at:
            await self._look_at(messages)

    async def _look_at(self, messages: int) -> None:
        ours, others = await self._sweep()
        self._metrics.jobs.foreign_dead_letters.set(others)
        if ours or not others:  # none: they were taken meanwhile, or the lease was
            self._others = self._behind = 0
        else:
            self._others, self._behind = messages, max(0, messages - others)
            self._look_again_at = self._clock.monotonic() + OTHERS_AGAIN_S

    async def _sweep(self) -> tuple[int, int]:
        """How many were ours, and how many others'."""
        ours = others = 0
        async with self._broker.sweep(Queue.DEAD_LETTER, limit=SWEEP_LIMIT) as sweep:
            for delivery in sweep.deliveries:
                if not await self._lease.is_still_ours():
                    break
                if await self._is_ours(delivery):
                    await sweep.ack(delivery)
                    ours += 1
                else:
                    others += 1
        return ours, others

    async def _is_ours(self, delivery: Delivery) -> bool:
        """Whether it was one of ours; then its attempt has ended, and a copy is kept."""
        rejected = rejected_attempt(delivery, self._settings.trace_prefix)
        if rejected is None:
            return False
        is_counted = await self._end_attempt(rejected)
        if is_counted:
            self._metrics.jobs.dead_letters.add()
        log.info(
            "attempt rejected" if is_counted else "late dead letter",
            job_id=rejected.job_id,
            trace_id=str(rejected.name),
            code=rejected.failure.code,
            **rejected.said,
        )
        return True

    async def _end_attempt(self, rejected: RejectedAttempt) -> bool:
        """Whether it changed the job: not when the attempt is not the newest, or the job is gone."""
        letter = await self._letter(rejected)
        try:
            change = await self._ledger.change(rejected.job_id, self._decision(rejected), companions=[letter])
        except JobNotFound:
            await self._letters.keep_letter(evolve(letter, index=None))
            return False
        return change is not None

    def _decision(self, rejected: RejectedAttempt) -> Callable[[Job], Change | None]:
        name, failure, now = rejected.name, rejected.failure, self._clock.now()
        policy = self._settings.attempts_after(failure.code)

        def decide(job: Job) -> Change | None:
            if failure.code in NOT_ASKED_AGAIN:
                return attempt_refused(job, name, failure, now)
            return attempt_rejected(job, name, failure, policy, now)

        return decide

    async def _letter(self, rejected: RejectedAttempt) -> DeadLetter:
        queue = self._queue_name(Queue.IMAGE_UPLOAD)
        return rejected.letter(await self._index_of(rejected), queue=queue, at=self._clock.now())

    async def _index_of(self, rejected: RejectedAttempt) -> int | None:
        try:
            job = await self._latest.get(rejected.job_id)
        except JobNotFound:
            return None
        image = job.image_of(rejected.name.trace_id)
        return image.index if image is not None else None
