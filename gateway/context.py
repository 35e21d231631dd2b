"""Everything the doors need, in one place.

`app.py` builds it; `api/` reads it from the application under `CONTEXT`. Nobody else knows it: use cases and
services are given the ports they need, for whoever receives the whole context could use anything.
"""

from collections.abc import Callable, Sequence

from aiohttp import web
from attrs import frozen

from gateway.background import Background
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.intake.bytes_in_flight import BytesInFlight
from gateway.jobs.accepting.retry import Retry
from gateway.jobs.accepting.submit import Submit
from gateway.jobs.dead_letters.requeue import Requeue
from gateway.ports.broker import Broker
from gateway.ports.clock import Clock
from gateway.ports.dead_letters import DeadLetterStore
from gateway.ports.image_search import ImageSearch
from gateway.ports.job_store import JobStore
from gateway.ports.object_store import ObjectStore
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics


@frozen(eq=False, kw_only=True)
class AppContext:
    settings: Settings
    metrics: Metrics
    clock: Clock
    background: Background
    job_store: JobStore
    image_search: ImageSearch
    object_store: ObjectStore
    broker: Broker
    latest: LatestJobs
    hub: Hub
    stream: EventStream
    bytes_in_flight: BytesInFlight
    submit: Submit
    retry: Retry
    dead_letters: DeadLetterStore
    requeue: Requeue
    warnings: Callable[[], Sequence[str]] = tuple
    """What an operator should know of now, a line each."""


CONTEXT = web.AppKey("context", AppContext)
