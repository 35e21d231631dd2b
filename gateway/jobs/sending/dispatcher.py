"""Sends images into the pipeline: publishes each with a confirm, fairly between jobs, within a window.

The job store is the outbox: what is stored and not written down as published is published, also after a crash between
the two (`sending`). A message may so be published twice; the pipeline is at least once anyway.
"""

import asyncio

from attrs import define, field

from gateway.domain.schedule import take_turns
from gateway.jobs.ledger import Ledger
from gateway.jobs.pipeline import Pipeline
from gateway.jobs.sending.confirms import Confirms
from gateway.jobs.sending.order import CommitFirst, PublishFirst, Sending
from gateway.jobs.sending.recall import Recall
from gateway.jobs.sending.uploads import Uploads
from gateway.jobs.settings import JobsSettings
from gateway.pacing import keep_doing
from gateway.ports.backlog import Backlog
from gateway.ports.broker import Broker
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobStore
from gateway.telemetry.metrics import Metrics


@define(eq=False)
class Dispatcher:
    """A Service: keeps at most the pipeline's `window` of our images in the broker, the rest in the job store."""

    _ledger: Ledger
    _jobs: JobStore
    _backlog: Backlog
    _broker: Broker
    _clock: Clock
    _settings: JobsSettings
    _pipeline: Pipeline
    _metrics: Metrics
    name: str = "dispatcher"
    _bell: asyncio.Event = field(init=False)
    _sending: Sending = field(init=False)
    _recall: Recall = field(init=False)
    _is_one_alone: bool = field(init=False, default=False)
    """Of the suspects: until it has left the broker, nothing else goes there."""
    _last_served: str | None = None

    @_bell.default
    def _at_work(self) -> asyncio.Event:
        return self._ledger.work.bell()

    @_sending.default
    def _in_its_order(self) -> Sending:
        uploads = Uploads(self._broker, self._clock, self._metrics)
        if self._broker.remembers:
            return PublishFirst(self._jobs, uploads, Confirms(self._ledger, self._clock))
        return CommitFirst(self._ledger, uploads, self._clock)

    @_recall.default
    def _recall_of_this_start(self) -> Recall:
        return Recall(self._ledger, self._backlog, self._broker, self._clock, self._settings)

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, bell=self._bell, pause_s=self._settings.poll_s)

    async def run_once(self) -> None:
        """Fill the window with what waits. Raises Unavailable when the broker or the store is down."""
        await self._recall.ensure_made()
        await self._pipeline.ensure_looked()
        in_flight = await self._backlog.in_flight()
        if in_flight and self._is_one_alone:
            return
        self._is_one_alone = bool(self._recall.suspects)
        if self._is_one_alone:
            await self._send_a_suspect()
        else:
            await self._fill(self._pipeline.window - in_flight)

    async def _send_a_suspect(self) -> None:
        await self._sending.send(self._recall.suspects[:1])
        del self._recall.suspects[0]

    async def _fill(self, room: int) -> None:
        if room <= 0:
            return
        waiting = await self._backlog.to_publish(
            self._clock.now(),
            limit=room,
            max_running=self._settings.max_running_jobs,
            after=self._last_served,
        )
        plan = take_turns(waiting, room)
        if plan:
            self._last_served = plan[-1].job_id
        await self._sending.send(plan)
