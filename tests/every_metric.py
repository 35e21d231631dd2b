"""All metrics there are, as a process that uses all of its parts would show them."""

from attrs import frozen

from gateway.telemetry import metrics
from gateway.telemetry.instruments import Counter, Gauge, Histogram, Instruments, Labelled

GROUPS = (
    metrics.JobMetrics,
    metrics.SubscriberMetrics,
    metrics.HttpMetrics,
    metrics.ConnectionMetrics,
    metrics.IntakeMetrics,
    metrics.BrokerMetrics,
    metrics.ObjectStoreMetrics,
    metrics.WorkerMetrics,
    metrics.VisionMetrics,
    metrics.HealthMetrics,
    metrics.ProcessMetrics,
)


@frozen
class Known:
    """A metric, each of whose labels has the values named; none where any value goes."""

    name: str
    kind: str
    labels: dict[str, tuple[str, ...]]

    @property
    def series(self) -> set[str]:
        """The names of what Prometheus keeps of it."""
        if self.kind != "histogram":
            return {self.name}
        return {f"{self.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")}


def every_metric(instruments: Instruments | None = None) -> dict[str, Known]:
    """By name. Each of them is touched once."""
    instruments = instruments or Instruments()
    known: dict[str, Known] = {}
    for group in GROUPS:
        before = {family.name for family in instruments.registry.collect()}
        made = group(instruments)
        families = {family.name: family for family in instruments.registry.collect()}
        new = [family for name, family in families.items() if name not in before]
        members = [member for name, member in vars(made).items() if not name.startswith("_")]
        for family, member in zip(new, members, strict=True):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = member.values if isinstance(member, Labelled) else {}
            known[name] = Known(name, family.type, {label: tuple(values) for label, values in labels.items()})
            _touch(member)
    return known


def _touch(
    member: Labelled[Counter] | Labelled[Gauge] | Labelled[Histogram] | Counter | Gauge | Histogram,
) -> None:
    one = (
        member.of(**{label: (*values, "any")[0] for label, values in member.values.items()})
        if isinstance(member, Labelled)
        else member
    )
    match one:
        case Counter():
            one.add()
        case Gauge():
            one.set(1)
        case Histogram():
            one.observe(1)
