"""Watches the broker's queues: who consumes them, whether the pipeline is at work, and how much may lie in it.

Deadlines of images run by its working time: they stand still while analyzers or processors are away or the broker
does not answer, and begin anew with this process, which can't know what went on before.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from attrs import define, field

from gateway.domain.working_time import WorkingTime
from gateway.errors import GatewayError
from gateway.jobs.settings import JobsSettings
from gateway.jobs.work import Work
from gateway.pacing import keep_doing
from gateway.ports.backlog import Backlog
from gateway.ports.broker import Broker, Queue, QueueDepth
from gateway.ports.clock import Clock
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

LEAST_WINDOW: Final = 8
"""Lies ready when services come, and keeps the smallest ones busy between two looks."""

_WORKED: Final = (Queue.IMAGE_UPLOAD, Queue.METADATA_GENERATED)
_ASIDE: Final = (Queue.DEAD_LETTER, Queue.FOREIGN)
"""No image passes them on its way."""
_LONGEST_STEP: Final = 5
"""Times the usual pause between looks; what is over that was a pause of clock or process."""


@define(eq=False)
class Pipeline:
    """A Service: looks each `watch_every_s`. What it tells is as of its last look."""

    _broker: Broker
    _backlog: Backlog
    _clock: Clock
    _settings: JobsSettings
    _work: Work
    _metrics: Metrics
    _queue_name: Callable[[Queue], str] = str
    """What the operator calls a queue."""
    name: str = "pipeline"
    depths: Mapping[Queue, QueueDepth] = field(init=False, factory=dict)
    """As the broker told them last; empty before it ever did."""
    is_answering: bool = field(init=False, default=False)
    in_flight: int = field(init=False, default=0)
    """Images of ours in the broker, or in a service's hand."""
    _has_looked: bool = field(init=False, default=False)
    _working_time: WorkingTime = field(init=False)
    _idle_since: dict[Queue, datetime] = field(init=False, factory=dict)
    _looks_with_a_rival: int = field(init=False, default=0)

    @_working_time.default
    def _from_now_on(self) -> WorkingTime:
        return WorkingTime(
            longest_step_s=_LONGEST_STEP * self._settings.watch_every_s,
            kept_s=self._settings.result_timeout_s,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=self._settings.watch_every_s)

    async def ensure_looked(self) -> None:
        """Look now if nobody ever did."""
        if not self._has_looked:
            await self.run_once()

    async def run_once(self) -> None:
        """Look. A broker that does not answer is not at work. Raises Unavailable when the store is down."""
        window_before = self.window
        try:
            depths = await self._look()
        except GatewayError as error:
            self._miss(error)
        else:
            self.in_flight = await self._backlog.in_flight()
            self._take(depths)
            self._measure()
        self._has_looked = True
        if self.window > window_before:
            self._work.ring()

    async def _look(self) -> Mapping[Queue, QueueDepth]:
        """Raises Unavailable. A queue aside that is out of order is missing, and stops nobody."""
        depths: dict[Queue, QueueDepth] = {}
        for queue in (*_WORKED, Queue.IMAGE_PROCESSED):
            depths[queue] = await self._broker.depth(queue)
        for queue in _ASIDE:
            with suppress(GatewayError):
                depths[queue] = await self._broker.depth(queue)
        return depths

    @property
    def is_working(self) -> bool:
        """Whether every step of the way of an image has somebody who takes it."""
        return self.is_answering and all(self._consumers(queue) for queue in _WORKED)

    @property
    def window(self) -> int:
        """How many of our images may be in the broker at once."""
        if self._settings.window:
            return self._settings.window
        hands = sum(map(self._consumers, _WORKED)) * self._settings.consumer_prefetch
        return max(LEAST_WINDOW, 2 * hands)

    def overdue_before(self, seconds: float) -> datetime | None:
        """The moment with so many seconds of work since, at most `result_timeout_s`; None if there were not so many."""
        return self._working_time.moment_before(seconds)

    def depths_text(self) -> str:
        """What lies where and who takes it, in a line fit for clients."""
        if not self.depths:
            return "the message broker has not answered yet"
        told = "; ".join(f"{self._queue_name(queue)}: {_told(self.depths[queue])}" for queue in _WORKED)
        return told if self.is_answering else f"the message broker does not answer; before that: {told}"

    def warnings(self) -> Sequence[str]:
        """What an operator should know of now, a line each, for readyz."""
        if not self.is_answering:
            return ()
        lines = [self._idle_warning(queue, since) for queue, since in self._idle_since.items()]
        if self._looks_with_a_rival >= 2:
            lines.append(self._rival_warning())
        return lines

    def _miss(self, error: GatewayError) -> None:
        if self.is_answering or not self._has_looked:
            log.warning("queues can't be looked at", reason=str(error))
        self.is_answering = False
        self._working_time.advance(self._clock.now(), False)

    def _take(self, depths: Mapping[Queue, QueueDepth]) -> None:
        self.is_answering, self.depths = True, depths
        now = self._clock.now()
        self._working_time.advance(now, self.is_working)
        for queue in _WORKED:
            if self.in_flight and depths[queue].messages and not depths[queue].consumers:
                self._idle_since.setdefault(queue, now)
            else:
                self._idle_since.pop(queue, None)
        # Twice, for our own consumer may be counted twice for a moment after it reconnected.
        has_rival = depths[Queue.IMAGE_PROCESSED].consumers > 1
        self._looks_with_a_rival = self._looks_with_a_rival + 1 if has_rival else 0

    def _measure(self) -> None:
        for queue, depth in self.depths.items():
            self._metrics.broker.queue_messages.of(queue=queue).set(depth.messages)
            self._metrics.broker.queue_consumers.of(queue=queue).set(depth.consumers)
        self._metrics.jobs.window_fill.set(self.in_flight)
        self._metrics.jobs.window_size.set(self.window)

    def _consumers(self, queue: Queue) -> int:
        return self.depths[queue].consumers if queue in self.depths else 0

    def _idle_warning(self, queue: Queue, since: datetime) -> str:
        service = "analyzer" if queue is Queue.IMAGE_UPLOAD else "processor"
        return (
            f"nobody consumes {self._queue_name(queue)} since {since:%Y-%m-%dT%H:%M:%SZ}, where images of ours wait "
            f"({_counted(self.depths[queue].messages, 'message')}): is the {service} running?"
        )

    def _rival_warning(self) -> str:
        number = self.depths[Queue.IMAGE_PROCESSED].consumers
        return (
            f"{self._queue_name(Queue.IMAGE_PROCESSED)} has {number} consumers, and one is ours: the other takes a "
            "share of our results (an old gateway, its Telegram bot or folder watcher?). An image whose result was "
            f"taken is looked for after {self._settings.result_timeout_s:g} s of work. Stop the other, or give us "
            "queues of our own."
        )


def _told(depth: QueueDepth) -> str:
    return f"{_counted(depth.messages, 'message')}, {_counted(depth.consumers, 'consumer')}"


def _counted(number: int, thing: str) -> str:
    return f"1 {thing}" if number == 1 else f"{number} {thing}s"
