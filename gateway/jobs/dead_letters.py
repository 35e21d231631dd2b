"""Sweeps the dead letters: one of ours ends an attempt, and the image is sent again or fails.

Others' messages, and those that nobody can read, are looked at and given back in their order.
"""

import structlog
from attrs import define

from gateway.domain.attempt import parse_attempt
from gateway.domain.job import Failure
from gateway.domain.transitions import attempt_rejected
from gateway.jobs.failure_texts import fit_for_clients
from gateway.jobs.ledger import Ledger
from gateway.jobs.settings import JobsSettings
from gateway.messages import ImageUpload, Malformed, decode
from gateway.pacing import keep_doing
from gateway.ports.broker import REJECT_REASON, Broker, Delivery, Queue
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound

log = structlog.get_logger(__name__)

_AT_ONCE = 1000


@define(eq=False)
class DeadLetters:
    """A Service."""

    _ledger: Ledger
    _broker: Broker
    _clock: Clock
    _settings: JobsSettings
    name: str = "dead-letters"

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=self._settings.poll_s)

    async def run_once(self) -> None:
        """Look at what lies there now. Raises Unavailable when the broker or the store is down."""
        if (await self._broker.depth(Queue.DEAD_LETTER)).messages == 0:
            return
        async with self._broker.sweep(Queue.DEAD_LETTER, limit=_AT_ONCE) as sweep:
            for delivery in sweep.deliveries:
                if await self._is_ours(delivery):
                    await sweep.ack(delivery)

    async def _is_ours(self, delivery: Delivery) -> bool:
        """Whether it was one of ours; then its attempt has ended."""
        try:
            message = decode(ImageUpload, delivery.body)
        except Malformed:
            return False
        name = parse_attempt(message.trace_id, self._settings.trace_prefix)
        if name is None:
            return False
        now = self._clock.now()
        failure = Failure("analysis_failed", _text(name.number, delivery.headers.get(REJECT_REASON)))
        try:
            change = await self._ledger.change(
                message.group_id,
                lambda job: attempt_rejected(job, name, failure, self._settings.attempts, now),
            )
        except JobNotFound:
            change = None
        log.info(
            "attempt rejected", job_id=message.group_id, trace_id=message.trace_id, counted=change is not None
        )
        return True


def _text(attempts: int, reason: object) -> str:
    times = "once" if attempts == 1 else f"{attempts} times"
    why = f": {fit_for_clients(reason)}" if isinstance(reason, str) else ""
    return f"the analyzer rejected the image {times}{why}"
