"""Sweeps the dead letters: one of ours ends an attempt, and the image is sent again or fails.

Our analyzer says why, as headers; where a code says that another attempt would end likewise, there is none. What the
broker moved here for an existing one has its `x-death` alone.

Others' messages, and those that nobody can read, are looked at and given back in their order; while nothing but those
lie there, they are looked at again only now and then.
"""

from collections.abc import Mapping
from typing import Final

import structlog
from attrs import define, field

from gateway.domain.attempt import AttemptName, parse_attempt
from gateway.domain.events import Change
from gateway.domain.job import Failure, Job
from gateway.domain.transitions import attempt_refused, attempt_rejected
from gateway.failure_codes import ANALYSIS_CODES, ANALYSIS_FAILED, ANALYSIS_REFUSED
from gateway.jobs.failure_texts import fit_for_clients
from gateway.jobs.ledger import Ledger
from gateway.jobs.settings import JobsSettings
from gateway.messages import FAILURE_CODE, REJECT_REASON, ImageUpload, Malformed, decode
from gateway.pacing import keep_doing
from gateway.ports.broker import Broker, Delivery, Queue
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

SWEEP_LIMIT: Final = 1000
"""Dead letters that are looked at in one sweep."""
OTHERS_AGAIN_S: Final = 30.0
"""Between two looks at the same number of messages none of which was ours."""


@define(eq=False)
class DeadLetters:
    """A Service."""

    _ledger: Ledger
    _broker: Broker
    _clock: Clock
    _settings: JobsSettings
    _metrics: Metrics
    name: str = "dead-letters"
    _others: int = field(init=False, default=0)
    """So many messages lay there when none was ours."""
    _look_again_at: float = field(init=False, default=float("-inf"))

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=self._settings.poll_s)

    async def run_once(self) -> None:
        """Look at what lies there now. Raises Unavailable when the broker or the store is down."""
        messages = (await self._broker.depth(Queue.DEAD_LETTER)).messages
        if messages == 0:
            self._metrics.jobs.foreign_dead_letters.set(0)
            self._others = 0
            return
        if messages == self._others and self._clock.monotonic() < self._look_again_at:
            return
        if await self._sweep():
            self._others = 0
        else:
            self._others, self._look_again_at = messages, self._clock.monotonic() + OTHERS_AGAIN_S

    async def _sweep(self) -> int:
        """How many were ours."""
        ours = 0
        async with self._broker.sweep(Queue.DEAD_LETTER, limit=SWEEP_LIMIT) as sweep:
            for delivery in sweep.deliveries:
                if await self._is_ours(delivery):
                    await sweep.ack(delivery)
                    self._metrics.jobs.dead_letters.add()
                    ours += 1
        self._metrics.jobs.foreign_dead_letters.set(len(sweep.deliveries) - ours)
        return ours

    async def _is_ours(self, delivery: Delivery) -> bool:
        """Whether it was one of ours; then its attempt has ended."""
        try:
            message = decode(ImageUpload, delivery.body)
        except Malformed:
            return False
        name = parse_attempt(message.trace_id, self._settings.trace_prefix)
        if name is None or not message.original_path:  # a result that could not be read has none
            return False
        failure = Failure(_code(delivery.headers), _text(name.number, delivery.headers))
        counted = await self._end_attempt(message.group_id, name, failure)
        log.info(
            "attempt rejected" if counted else "late dead letter",
            job_id=message.group_id,
            trace_id=message.trace_id,
            code=failure.code,
            **_told(delivery.headers),
        )
        return True

    async def _end_attempt(self, job_id: str, name: AttemptName, failure: Failure) -> bool:
        """Whether it changed the job: not when the attempt is not the newest, or the job is gone."""
        now, policy = self._clock.now(), self._settings.attempts_after(failure.code)

        def decide(job: Job) -> Change | None:
            if failure.code == ANALYSIS_REFUSED:
                return attempt_refused(job, name, failure, now)
            return attempt_rejected(job, name, failure, policy, now)

        try:
            change = await self._ledger.change(job_id, decide)
        except JobNotFound:
            return False
        return change is not None


def _told(headers: Mapping[str, object]) -> dict[str, object]:
    """For the log: the analyzer's reason, in its own words, or what the broker says of the reject."""
    if REJECT_REASON in headers:
        return {"reason": headers[REJECT_REASON]}
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return (
        {f"death_{key}": last.get(key) for key in ("queue", "reason", "count")}
        if isinstance(last, dict)
        else {}
    )


def _code(headers: Mapping[str, object]) -> str:
    told = headers.get(FAILURE_CODE)
    return next((code for code in ANALYSIS_CODES if code == told), ANALYSIS_FAILED)


def _text(attempts: int, headers: Mapping[str, object]) -> str:
    times = "once" if attempts == 1 else f"{attempts} times"
    reason = headers.get(REJECT_REASON)
    why = f": {fit_for_clients(reason)}" if isinstance(reason, str) and reason else ""
    return f"the analyzer rejected the image {times}{why}"
