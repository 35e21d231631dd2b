"""A Datadog agent that keeps what it is told."""

from attrs import define, field


@define
class RecordingAgent:
    told: list[tuple[str, str, float, list[str]]] = field(factory=list)
    events: list[tuple[str, str]] = field(factory=list)

    def increment(self, metric: str, value: float, tags: list[str]) -> None:
        self.told.append(("increment", metric, value, tags))

    def gauge(self, metric: str, value: float, tags: list[str]) -> None:
        self.told.append(("gauge", metric, value, tags))

    def histogram(self, metric: str, value: float, tags: list[str]) -> None:
        self.told.append(("histogram", metric, value, tags))

    def event(self, title: str, message: str) -> None:
        self.events.append((title, message))

    @property
    def names(self) -> set[str]:
        return {told[1] for told in self.told}
