"""Instruments: what is counted, told at two doors at once.

Each instrument is a series of a Prometheus registry of its own, which is read when somebody asks, and is told to a
Datadog agent as it changes, when there is one. Both know it by one name: `gateway_<name>` at the first door,
`photo_tags.<name>` at the second.

A label has a closed list of values, and what is not in it is counted as "other"; or it takes ANY, and then the first
MOST_VALUES that come. So no caller, and nobody who sends something, can make series without end.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import product
from time import perf_counter
from typing import Final, Generic, Protocol, Self, TypeVar

import prometheus_client
from attrs import define, field
from prometheus_client import CollectorRegistry

PREFIX: Final = "gateway_"
NAMESPACE: Final = "photo_tags"
OTHER: Final = "other"
ANY: Final[tuple[str, ...]] = ()
MOST_VALUES: Final = 64
"""Of a label that takes any."""

SHORT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Buckets, in seconds, for what should take less than a moment."""
LONG_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)
"""Buckets, in seconds, for what an image may wait for."""


class Agent(Protocol):
    """A Datadog agent, as far as we use one; nothing of it blocks or raises."""

    def increment(self, metric: str, value: float, tags: list[str]) -> None: ...

    def gauge(self, metric: str, value: float, tags: list[str]) -> None: ...

    def histogram(self, metric: str, value: float, tags: list[str]) -> None: ...

    def event(self, title: str, message: str) -> None: ...


@define(eq=False)
class Counter:
    """Only goes up."""

    _series: prometheus_client.Counter
    _agent: Agent | None
    _name: str
    _tags: list[str]

    def add(self, amount: float = 1) -> None:
        self._series.inc(amount)
        if self._agent is not None and amount:
            self._agent.increment(self._name, amount, self._tags)


@define(eq=False)
class Gauge:
    """Goes up and down."""

    _series: prometheus_client.Gauge
    _agent: Agent | None
    _name: str
    _tags: list[str]
    _value: float | None = None

    def set(self, value: float) -> None:
        self._value = +value  # a number also of a bool, of which an agent knows nothing
        self._series.set(value)
        self.repeat()

    def add(self, amount: float) -> None:
        self.set((self._value or 0) + amount)

    def repeat(self) -> None:
        """Tell the agent again, which takes a gauge that is silent for one that is gone."""
        if self._agent is not None and self._value is not None:
            self._agent.gauge(self._name, self._value, self._tags)


@define(eq=False)
class Histogram:
    """How many, and how large: of seconds, where nothing else is said."""

    _series: prometheus_client.Histogram
    _agent: Agent | None
    _name: str
    _tags: list[str]

    def observe(self, value: float) -> None:
        self._series.observe(value)
        if self._agent is not None:
            self._agent.histogram(self._name, value, self._tags)

    def timed(self) -> AbstractContextManager[None]:
        """Observe the seconds that what is inside takes, however it ends."""
        return _Timed(self)


@define(eq=False)
class _Timed(AbstractContextManager[None]):
    _histogram: Histogram
    _begun: float = field(init=False)

    def __enter__(self) -> None:
        self._begun = perf_counter()

    def __exit__(self, *_: object) -> None:
        self._histogram.observe(perf_counter() - self._begun)


Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


@define(eq=False)
class Labelled(Generic[Instrument]):
    """An instrument for each combination of its labels' values."""

    values: Mapping[str, Sequence[str]]
    _make: Callable[[dict[str, str]], Instrument]
    _made: dict[tuple[str, ...], Instrument] = field(factory=dict)
    _came: dict[str, set[str]] = field(factory=dict)

    def of(self, **labels: str) -> Instrument:
        """The one with these values. Keep it where it is used often."""
        made = self._made.get(tuple([labels[name] for name in self.values]))
        return self._bounded(labels) if made is None else made

    def show_zeros(self) -> Self:
        """Make all there can be: the first time that something seldom is counted must be seen as a rise."""
        if all(self.values.values()):
            for combination in product(*self.values.values()):
                self.of(**dict(zip(self.values, combination, strict=True)))
        return self

    def _bounded(self, labels: dict[str, str]) -> Instrument:
        if labels.keys() != self.values.keys():
            raise TypeError(f"the labels are {', '.join(self.values)}")
        bounded = {name: self._bound(name, labels[name]) for name in self.values}
        key = tuple(bounded.values())
        if key not in self._made:
            self._made[key] = self._make(bounded)
        return self._made[key]

    def _bound(self, name: str, value: str) -> str:
        if self.values[name]:
            return value if value in self.values[name] else OTHER
        came = self._came.setdefault(name, set())
        if len(came) < MOST_VALUES:
            came.add(value)
        return value if value in came else OTHER


@define(eq=False)
class Instruments:
    """Makes instruments, each name once."""

    agent: Agent | None = None
    registry: CollectorRegistry = field(factory=CollectorRegistry)
    _gauges: list[Gauge] = field(factory=list)

    def counter(self, name: str, help_text: str) -> Counter:
        """`name` ends in `_total`."""
        return self.counters(name, help_text).of()

    def counters(self, name: str, help_text: str, **labels: Sequence[str]) -> Labelled[Counter]:
        family = prometheus_client.Counter(PREFIX + name, help_text, tuple(labels), registry=self.registry)
        counters = Labelled(
            labels, lambda values: Counter(_series(family, values), self.agent, name, _tags(values))
        )
        return counters.show_zeros()

    def gauge(self, name: str, help_text: str) -> Gauge:
        return self.gauges(name, help_text).of()

    def gauges(self, name: str, help_text: str, **labels: Sequence[str]) -> Labelled[Gauge]:
        family = prometheus_client.Gauge(PREFIX + name, help_text, tuple(labels), registry=self.registry)

        def make(values: dict[str, str]) -> Gauge:
            gauge = Gauge(_series(family, values), self.agent, name, _tags(values))
            self._gauges.append(gauge)
            return gauge

        return Labelled(labels, make)

    def histogram(self, name: str, help_text: str, *, buckets: Sequence[float]) -> Histogram:
        return self.histograms(name, help_text, buckets=buckets).of()

    def histograms(
        self, name: str, help_text: str, *, buckets: Sequence[float], **labels: Sequence[str]
    ) -> Labelled[Histogram]:
        family = prometheus_client.Histogram(
            PREFIX + name, help_text, tuple(labels), registry=self.registry, buckets=buckets
        )
        return Labelled(
            labels,
            lambda values: Histogram(_series(family, values), self.agent, name, _tags(values)),
        )

    def tell_event(self, title: str, text: str) -> None:
        """An event for Datadog alone; Prometheus has none."""
        if self.agent is not None:
            self.agent.event(title, text)

    def repeat_gauges(self) -> None:
        for gauge in self._gauges:
            gauge.repeat()


_Family = TypeVar("_Family", prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram)


def _series(family: _Family, labels: dict[str, str]) -> _Family:
    return family.labels(**labels) if labels else family


def _tags(labels: dict[str, str]) -> list[str]:
    return [f"{name}:{value}" for name, value in labels.items()]
