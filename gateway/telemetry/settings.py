"""Where the metrics go: Prometheus reads them at /metrics, and a Datadog agent is told as they change."""

from attrs import field, frozen, validators


def _is_host(_: object, __: object, value: str) -> None:
    if any(character in "/@" or character.isspace() for character in value):
        raise ValueError("must be the agent's host alone, without scheme, port and path")


@frozen
class MetricsSettings:
    """Datadog is on when its agent's host or an API key is given; without a host the agent is on this machine.

    The key is never sent: the agent has its own. That somebody set it is what counts.
    """

    prometheus: bool = True
    datadog_host: str = field(default="", validator=_is_host)
    datadog_port: int = field(default=8125, validator=[validators.ge(1), validators.le(65535)])
    datadog_env: str = ""
    datadog_api_key: str = field(default="", repr=False)

    @property
    def datadog_agent(self) -> tuple[str, int] | None:
        """Host and port of the agent; None when Datadog is off."""
        if not self.datadog_host and not self.datadog_api_key:
            return None
        return self.datadog_host or "localhost", self.datadog_port
