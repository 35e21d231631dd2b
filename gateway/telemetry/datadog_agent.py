"""A client of a Datadog agent (DogStatsD): it sums up and sends from threads of its own, so the loop never waits.

The agent may come and go: what it is not there for is lost without a word. The library is read only when it is used.
"""

import logging
from typing import Final

from gateway.telemetry.instruments import NAMESPACE
from gateway.telemetry.settings import MetricsSettings

FLUSH_S: Final = 1.0
"""How long counts and gauges are summed up before they are sent."""
QUEUED_PACKETS: Final = 1000
STOP_S: Final = 1.0


class DatadogAgent:
    """An Agent."""

    def __init__(self, host: str, port: int, env: str) -> None:
        from datadog.dogstatsd.base import DogStatsd

        # It warns of every packet that an absent agent did not take.
        logging.getLogger("datadog").setLevel(logging.CRITICAL)
        self._client = DogStatsd(
            host=host,
            port=port,
            namespace=NAMESPACE,
            disable_telemetry=True,
            disable_aggregation=False,
            disable_buffering=False,
            flush_interval=FLUSH_S,
            # A look-up of the agent's name may take seconds: it is made in this thread.
            disable_background_sender=False,
            sender_queue_size=QUEUED_PACKETS,
            sender_queue_timeout=0,
        )
        # The library reads DD_ENV by itself: the setting stands in its place, not beside it.
        others = [tag for tag in self._client.constant_tags if not tag.startswith("env:")]
        self._client.constant_tags = [*others, *([f"env:{env}"] if env else [])]

    @classmethod
    def of(cls, settings: MetricsSettings) -> "DatadogAgent | None":
        """None when Datadog is off."""
        if settings.datadog_agent is None:
            return None
        return cls(*settings.datadog_agent, settings.datadog_env)

    def increment(self, metric: str, value: float, tags: list[str]) -> None:
        self._client.increment(metric, value, tags)

    def gauge(self, metric: str, value: float, tags: list[str]) -> None:
        self._client.gauge(metric, value, tags)

    def histogram(self, metric: str, value: float, tags: list[str]) -> None:
        self._client.histogram(metric, value, tags)

    def event(self, title: str, message: str) -> None:
        self._client.event(title, message)

    def close(self) -> None:
        """Send what is left; blocks for up to STOP_S."""
        self._client.stop(timeout=STOP_S)
