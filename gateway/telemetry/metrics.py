"""Every metric there is, by name.

Metrics stand in groups, and a group appears at the doors once a part of the process asks for it: a worker shows
nothing of jobs. docs/metrics.md lists them all.
"""

import asyncio
import platform
from functools import cached_property
from importlib.metadata import version
from typing import Final

import prometheus_client
from prometheus_client import GCCollector, ProcessCollector

from gateway.failure_codes import FAILURE_CODES
from gateway.telemetry.datadog_agent import DatadogAgent
from gateway.telemetry.instruments import ANY, LONG_S, OTHER, SHORT_S, Instruments
from gateway.telemetry.settings import MetricsSettings

_CODES: Final = (*FAILURE_CODES, OTHER)
QUEUES: Final = (
    "image_upload",
    "metadata_generated",
    "image_processed",
    "dead_letter_queue",
    "image_processed.foreign",
)
"""What a queue is for, whatever a deployment calls it."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
STATUS_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
CLOSE_CODES: Final = (
    "1000", "1001", "1002", "1003", "1005", "1006", "1007", "1009", "1011", "1012", "1013",
    "4000", "4001", "4500", "4501", OTHER,
)  # fmt: skip
"""Of WebSocket: RFC 6455 section 7.4.1, and our own; 1006: lost or cut off."""
VISION_REQUEST_OUTCOMES: Final = (
    "ok",
    "limited",
    "refused",
    "unreadable",
    "rejected",
    "failed",
    "timed_out",
    "cancelled",
)
DOORS: Final = ("websocket", "many", "events", "results", "poll", "submit")
"""By which jobs are followed; `many`: over one WebSocket, `submit`: by the request that sends the batch."""
BOUNDS: Final = ("gateway", "job", "address")
"""Of places: in all, of one job, of one address."""
_ENDS: Final = ("completed", "failed", "cancelled")
_SOURCES: Final = ("sent", "url")
_STAGES: Final = ("download", "waiting", "pipeline")


class JobMetrics:
    """Jobs and images on their way."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self.jobs_accepted = instruments.counter("jobs_accepted_total", "Jobs accepted.")
        self.jobs_ended = instruments.counters(
            "jobs_ended_total", "Jobs whose images have all ended.", status=_ENDS
        )
        self.images_accepted = instruments.counters(
            "images_accepted_total", "Images accepted: sent along, or as a URL.", source=_SOURCES
        )
        self.images_ended = instruments.counters(
            "images_ended_total", "Images that reached a final state.", status=_ENDS
        )
        self.images_reused = instruments.counter(
            "images_reused_total",
            "Images that were completed without an analysis: their bytes had been analysed.",
        )
        self.image_failures = instruments.counters(
            "image_failures_total",
            "Images that failed, by the code that their client reads.",
            code=_CODES,
        )
        self.image_stage_seconds = instruments.histograms(
            "image_stage_seconds",
            "Seconds of an image in one stage: download (a good one), waiting (of one that was sent along, for its "
            "first place in the broker), "
            "pipeline (from its last publish to its end), all (from accepted to its end).",
            buckets=LONG_S,
            stage=(*_STAGES, "all"),
        )
        self.images_open = instruments.gauges(
            "images_open", "Images that have not ended, by the stage they are in.", stage=_STAGES
        )
        self.received_bytes = instruments.counters(
            "received_bytes_total", "Bytes of originals that were stored.", source=_SOURCES
        )
        self.download_errors = instruments.counters(
            "download_errors_total", "Tries of downloads that brought no image.", code=_CODES
        )
        self.attempts_sent = instruments.counters(
            "attempts_sent_total",
            "Images published to the analyzer, for the first time or again.",
            number=("first", "again"),
        )
        self.images_rescued = instruments.counters(
            "images_rescued_total",
            "Images whose result did not come in time: found in the object store, sent again, or failed.",
            how=("found", "again", "failed"),
        )
        self.results = instruments.counters(
            "results_total",
            "Messages taken from the result queue: counted, repeated, late, foreign (parked for its owner), "
            "malformed (moved to the dead letters).",
            kind=("counted", "repeated", "late", "foreign", "malformed"),
        )
        self.dead_letters = instruments.counter(
            "dead_letters_total", "Dead letters of ours: each ended an attempt."
        )
        self.foreign_dead_letters = instruments.gauge(
            "foreign_dead_letters",
            "Dead letters of others, or unreadable ones, at the last look; they are left alone.",
        )
        self.window_size = instruments.gauge(
            "window_images_max", "Images of ours that may be in the broker at once."
        )
        self.window_fill = instruments.gauge("window_images", "Images of ours that are in the broker.")

    def tell_job_created(self, job_id: str, images: int) -> None:
        """The event of Datadog."""
        self._instruments.tell_event("Batch job created", f"Batch job {job_id} created with {images} images")


class SubscriberMetrics:
    """Those who follow jobs."""

    def __init__(self, instruments: Instruments) -> None:
        self.places = instruments.gauges(
            "subscribers", "Connections that follow jobs, or wait for news of one.", door=DOORS
        ).show_zeros()
        self.refused = instruments.counters(
            "subscribers_refused_total",
            "Who would follow and found no place, by the bound met.",
            bound=BOUNDS,
        )
        self.connections = instruments.gauge("websocket_connections", "WebSocket connections that are open.")
        self.opened = instruments.counter("websocket_opened_total", "WebSocket connections opened.")
        self.closed = instruments.counters(
            "websocket_closed_total", "WebSocket connections ended, by close code.", code=CLOSE_CODES
        )
        self.messages_sent = instruments.counter(
            "websocket_messages_sent_total", "Messages sent to subscribers."
        )


class HttpMetrics:
    """Requests."""

    def __init__(self, instruments: Instruments) -> None:
        self.requests = instruments.counters(
            "http_requests_total",
            "Requests answered, by route template and class of status.",
            method=METHODS,
            route=ANY,
            status=STATUS_CLASSES,
        )
        self.request_seconds = instruments.histograms(
            "http_request_seconds",
            "Seconds from a request's head to the end of its answer; what follows a job or waits for it left out.",
            buckets=SHORT_S,
            method=METHODS,
            route=ANY,
        )


class ConnectionMetrics:
    """Connections of clients."""

    def __init__(self, instruments: Instruments) -> None:
        self.open = instruments.gauge(
            "http_connections", "Connections of clients that are open, WebSocket ones included."
        )
        self.refused = instruments.counter(
            "http_connections_refused_total", "Connections for which there was no place, answered 503."
        )


class IntakeMetrics:
    """Batches while they come."""

    def __init__(self, instruments: Instruments) -> None:
        self.requests = instruments.gauge("intake_requests", "Requests whose bodies are being received.")
        self.held_bytes = instruments.gauge(
            "intake_held_bytes",
            "Bytes of images in memory on their way into the object store, looked at twice a second.",
        )


class BrokerMetrics:
    """The broker."""

    def __init__(self, instruments: Instruments) -> None:
        self.reconnects = instruments.counter(
            "broker_reconnects_total", "Connections to the broker made anew."
        )
        self.queue_messages = instruments.gauges(
            "queue_messages", "Messages ready in a queue at the last look.", queue=QUEUES
        )
        self.queue_consumers = instruments.gauges(
            "queue_consumers", "Consumers of a queue at the last look.", queue=QUEUES
        )
        self.publish_seconds = instruments.histogram(
            "publish_seconds", "Seconds from a publish to its confirm, or to its failure.", buckets=SHORT_S
        )


class ObjectStoreMetrics:
    """The object store."""

    def __init__(self, instruments: Instruments) -> None:
        operations = ("put", "get", "head", "delete")
        self.seconds = instruments.histograms(
            "object_store_seconds",
            "Seconds of an operation on the object store; of a get, until its first byte can be read; of a put, "
            "without the wait for its bytes.",
            buckets=SHORT_S,
            operation=operations,
        )
        self.failures = instruments.counters(
            "object_store_failures_total",
            "Operations that failed because the object store is down or full.",
            operation=operations,
        )


class WorkerMetrics:
    """Analyzer and processor, built in or as workers of their own."""

    def __init__(self, instruments: Instruments) -> None:
        workers = ("analyzer", "processor")
        self.messages = instruments.counters(
            "worker_messages_total",
            "Messages that a worker was done with, rejected, gave back, or counted.",
            worker=workers,
            outcome=("done", "rejected", "given_back", "counted"),
        )
        self.image_seconds = instruments.histograms(
            "worker_image_seconds", "Seconds of a worker for one image.", buckets=LONG_S, worker=workers
        )


class VisionMetrics:
    """Requests to a model's endpoint, and what they cost."""

    def __init__(self, instruments: Instruments) -> None:
        self.requests = instruments.counters(
            "vision_requests_total",
            "Requests to the vision endpoint, by what came of them.",
            outcome=VISION_REQUEST_OUTCOMES,
        )
        self.request_seconds = instruments.histogram(
            "vision_request_seconds", "Seconds of a request to the vision endpoint.", buckets=LONG_S
        )
        self.tokens = instruments.counters(
            "vision_tokens_total",
            "Tokens that the vision endpoint counted.",
            kind=("prompt", "completion"),
        )
        self.cost = instruments.counter(
            "vision_cost_dollars_total", "Dollars that requests cost, where the vision endpoint tells it."
        )
        self.images = instruments.counters(
            "vision_images_total",
            "Images that the vision provider described, or why it did not.",
            outcome=("described", "failed", "unavailable", "refused", "unreadable"),
        )


class HealthMetrics:
    """What /readyz says."""

    def __init__(self, instruments: Instruments) -> None:
        self.ready = instruments.gauge(
            "ready", "1 when /readyz says ready, else 0; whoever reads the metrics has it asked."
        )


class ProcessMetrics:
    """The process itself."""

    def __init__(self, instruments: Instruments) -> None:
        self.loop_lag = instruments.histogram(
            "event_loop_lag_seconds",
            "Seconds that the event loop woke up too late, measured all the time.",
            buckets=SHORT_S,
        )
        self.build_info = instruments.gauges(
            "build_info", "1; the labels say what runs.", version=ANY, python=ANY
        )


class Metrics:
    """The metrics of one process."""

    def __init__(self, settings: MetricsSettings) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._agent = DatadogAgent.of(settings)
        self.instruments = Instruments(self._agent)
        ProcessCollector(registry=self.instruments.registry)
        GCCollector(registry=self.instruments.registry)
        self.process.build_info.of(version=version("batch-gateway"), python=platform.python_version()).set(1)

    async def close(self) -> None:
        """Send what is left for the agent."""
        if self._agent is not None:
            await asyncio.to_thread(self._agent.close)

    @cached_property
    def jobs(self) -> JobMetrics:
        return JobMetrics(self.instruments)

    @cached_property
    def subscribers(self) -> SubscriberMetrics:
        return SubscriberMetrics(self.instruments)

    @cached_property
    def http(self) -> HttpMetrics:
        return HttpMetrics(self.instruments)

    @cached_property
    def connections(self) -> ConnectionMetrics:
        return ConnectionMetrics(self.instruments)

    @cached_property
    def intake(self) -> IntakeMetrics:
        return IntakeMetrics(self.instruments)

    @cached_property
    def broker(self) -> BrokerMetrics:
        return BrokerMetrics(self.instruments)

    @cached_property
    def objects(self) -> ObjectStoreMetrics:
        return ObjectStoreMetrics(self.instruments)

    @cached_property
    def workers(self) -> WorkerMetrics:
        return WorkerMetrics(self.instruments)

    @cached_property
    def vision(self) -> VisionMetrics:
        return VisionMetrics(self.instruments)

    @cached_property
    def health(self) -> HealthMetrics:
        return HealthMetrics(self.instruments)

    @cached_property
    def process(self) -> ProcessMetrics:
        return ProcessMetrics(self.instruments)
