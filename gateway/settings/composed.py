"""All settings as one value, each section defined beside the code that it is about."""

import os
from enum import StrEnum
from pathlib import Path

from attrs import evolve, field, frozen, validators

from gateway.adapters.broker.settings import BrokerSettings
from gateway.adapters.job_store.settings import JobStoreSettings
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.analyzer.chosen import chosen_providers
from gateway.analyzer.local.settings import LocalSettings
from gateway.analyzer.settings import AnalyzerSettings
from gateway.analyzer.vision.settings import VisionSettings
from gateway.events.settings import SubscriberSettings
from gateway.fetch.settings import FetchSettings
from gateway.intake.settings import IntakeSettings
from gateway.jobs.settings import JobsSettings
from gateway.processes import HelperSettings
from gateway.processor.settings import ProcessorSettings
from gateway.settings.origins import normalised_origins
from gateway.telemetry.logs import LogSettings
from gateway.telemetry.settings import MetricsSettings


class Role(StrEnum):
    """What a worker does, and what its section of the settings is called."""

    ANALYZER = "analyzer"
    PROCESSOR = "processor"


@frozen
class HttpSettings:
    """Where the gateway listens, and how long it bears with its clients."""

    host: str = ""
    """Address to listen on; empty: this machine alone (127.0.0.1)."""
    port: int = field(default=8080, validator=[validators.ge(0), validators.le(65535)])
    """0: any free one."""
    socket: str = ""
    """Path of a Unix socket to listen on as well; empty: none."""
    tcp: bool = field(default=True)
    """Off: nothing but the Unix socket."""
    cors_origins: tuple[str, ...] = field(default=("*",), converter=normalised_origins)
    """Origins whose pages may use the API; `*`: all."""
    max_downloads: int = field(default=16, validator=validators.ge(1))
    """Images that are sent at once; further downloads wait for a moment, then get 503."""
    keepalive_timeout_s: float = field(default=30.0, validator=validators.gt(0))
    """How long a connection may be idle between requests."""
    headers_timeout_s: float = field(default=10.0, validator=validators.gt(0))
    """How long the head of a request may take."""
    max_connections: int = field(default=8192, validator=validators.ge(1))
    """Connections at once, WebSocket ones included, as far as the limit on open files allows."""
    shutdown_timeout_s: float = field(default=2.0, validator=validators.ge(0))
    """How long requests in hand may take at a stop."""

    @property
    def listen_host(self) -> str:
        return self.host or "127.0.0.1"

    @tcp.validator
    def _listens_somewhere(self, _: object, value: bool) -> None:
        if not value and not self.socket:
            raise ValueError("without TCP a path is needed in http.socket")


def default_data_dir() -> Path:
    """By the XDG Base Directory Specification, which has relative paths ignored."""
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path("~/.local/share").expanduser()) / "gateway"


@frozen
class Settings:
    """Everything that can be set. Each class is a section, `data_dir` stands before them."""

    data_dir: Path = field(factory=default_data_dir)
    """Folder of jobs and images, made when it is missing."""
    http: HttpSettings = field(factory=HttpSettings)
    intake: IntakeSettings = field(factory=IntakeSettings)
    fetch: FetchSettings = field(factory=FetchSettings)
    subscribers: SubscriberSettings = field(factory=SubscriberSettings)
    jobs: JobsSettings = field(factory=JobsSettings)
    job_store: JobStoreSettings = field(factory=JobStoreSettings)
    object_store: ObjectStoreSettings = field(factory=ObjectStoreSettings)
    broker: BrokerSettings = field(factory=BrokerSettings)
    analyzer: AnalyzerSettings = field(factory=AnalyzerSettings)
    vision: VisionSettings = field(factory=VisionSettings)
    local: LocalSettings = field(factory=LocalSettings)
    processor: ProcessorSettings = field(factory=ProcessorSettings)
    helpers: HelperSettings = field(factory=HelperSettings)
    metrics: MetricsSettings = field(factory=MetricsSettings)
    log: LogSettings = field(factory=LogSettings)

    def of(self, role: Role) -> AnalyzerSettings | ProcessorSettings:
        """The section of a worker."""
        return self.analyzer if role is Role.ANALYZER else self.processor

    def images_at_once(self, role: Role) -> int:
        """How many images a worker has in work: neither its helper processes nor a model are to wait for the next one.

        Two at least, for a wait for the disk keeps no processor busy.
        """
        asks_a_model = role is Role.ANALYZER and "vision" in chosen_providers(self.analyzer, self.vision)
        requests = self.vision.max_in_flight if asks_a_model else 0
        return self.of(role).concurrency or max(self.helpers.count, 2, requests)

    @property
    def subscribers_beside_requests(self) -> SubscriberSettings:
        """As many as leave a quarter of all connections to requests: else these were told that there is no place."""
        most = max(1, 3 * self.http.max_connections // 4)
        return evolve(self.subscribers, max_connections=min(self.subscribers.max_connections, most))

    @property
    def takes_metadata_options(self) -> bool:
        """Whether a request may say what becomes of words that its images have already."""
        if self.jobs.metadata_options == "auto":
            return all(self.of(role).kind == "built_in" for role in Role)
        return self.jobs.metadata_options == "allowed"

    def http_of(self, role: Role) -> HttpSettings:
        """Where a worker answers for its health: a port of its own, never the gateway's."""
        return evolve(
            self.http, host=self.of(role).http_host, port=self.of(role).http_port, tcp=True, socket=""
        )
