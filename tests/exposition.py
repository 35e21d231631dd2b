"""What a process shows at /metrics, as a Prometheus reads it."""

import aiohttp
from attrs import frozen
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


@frozen
class Exposition:
    families: dict[str, Metric]

    @property
    def names(self) -> set[str]:
        """Of all metrics, as docs/metrics.md has them."""
        return {
            f"{family.name}_total" if family.type == "counter" else family.name
            for family in self.families.values()
        }

    def value(self, name: str, **labels: str) -> float:
        """Of one series; 0 when there is none."""
        samples = (sample for family in self.families.values() for sample in family.samples)
        return next((each.value for each in samples if each.name == name and each.labels == labels), 0.0)

    def labels_of(self, name: str) -> set[str]:
        families = (family for family in self.families.values() if family.name == name.removesuffix("_total"))
        return {label for family in families for each in family.samples for label in each.labels}


async def metrics_of(http: aiohttp.ClientSession, base_url: str) -> Exposition:
    async with http.get(f"{base_url}/metrics") as answer:
        answer.raise_for_status()
        families = text_string_to_metric_families(await answer.text())
        return Exposition({family.name: family for family in families})
