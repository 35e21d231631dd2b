"""The dashboard and the alert rules name metrics, labels and values that there are, in PromQL that parses."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from attrs import frozen
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from promql_parser import AggregateExpr, Expr, Matcher, MatchOp, VectorSelector

from tests.documents import ROOT, anchors
from tests.every_metric import every_metric

DASHBOARD = ROOT / "deploy" / "grafana" / "gateway-dashboard.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
OF_PROMETHEUS = {"instance", "job"}
"""Labels that every series gets when it is read."""
GRAFANA = {"$__rate_interval": "5m", "$__range": "3h", "$instance": ".*"}


@frozen
class Query:
    where: str
    text: str
    legend: str = ""

    @property
    def expression(self) -> Expr:
        text = self.text
        for variable, value in GRAFANA.items():
            text = text.replace(variable, value)
        return promql_parser.parse(text)


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return board


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


OF_PANELS = [
    Query(f"{panel['title']} {target['refId']}", target["expr"], target["legendFormat"])
    for panel in panels()
    for target in panel["targets"]
]
OF_RULES = [Query(rule["alert"], rule["expr"]) for rule in rules()]
on_each_query = pytest.mark.parametrize("query", OF_PANELS + OF_RULES, ids=lambda query: query.where)


def known_series() -> dict[str, dict[str, tuple[str, ...]]]:
    """Every series that a process of ours shows, with what its labels may be."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    of_client = {sample.name for family in registry.collect() for sample in family.samples}
    ours = {series: known.labels for known in every_metric().values() for series in known.series}
    return ours | {name: {} for name in of_client} | {"up": {}}


SERIES = known_series()


def selectors(expression: Expr) -> list[VectorSelector]:
    found: list[VectorSelector] = []
    promql_parser.walk(
        expression, lambda node: found.append(node) if isinstance(node, VectorSelector) else None
    )
    return found


def aggregations(expression: Expr) -> list[AggregateExpr]:
    found: list[AggregateExpr] = []
    promql_parser.walk(
        expression, lambda node: found.append(node) if isinstance(node, AggregateExpr) else None
    )
    return found


def labels_of(selector: VectorSelector) -> set[str]:
    name = selector.name or ""
    bounds = {"le"} if name.endswith("_bucket") else set()
    return {*SERIES[name], *OF_PROMETHEUS, *bounds}


def asked_values(matcher: Matcher) -> list[str]:
    is_pattern = matcher.op in (MatchOp.Re, MatchOp.NotRe)
    return matcher.value.split("|") if is_pattern else [matcher.value]


@on_each_query
def test_each_query_names_metrics_that_there_are(query: Query) -> None:
    assert {selector.name for selector in selectors(query.expression)} <= SERIES.keys()


@on_each_query
def test_each_query_selects_by_labels_and_values_that_there_are(query: Query) -> None:
    for selector in selectors(query.expression):
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels_of(selector)
            if values := SERIES[selector.name or ""].get(matcher.name):
                assert set(asked_values(matcher)) <= set(values)


@on_each_query
def test_each_query_groups_by_labels_that_there_are(query: Query) -> None:
    for aggregation in aggregations(query.expression):
        inside = [labels_of(selector) for selector in selectors(aggregation.expr)]
        by = set(aggregation.modifier.labels) if aggregation.modifier else set()
        assert all(by <= labels for labels in inside)


@on_each_query
def test_a_histogram_is_asked_by_its_buckets(query: Query) -> None:
    """The quantile of a sum that lost `le` is empty."""
    if "histogram_quantile" in query.text:
        assert all((selector.name or "").endswith("_bucket") for selector in selectors(query.expression))
        assert all(
            "le" in aggregation.modifier.labels
            for aggregation in aggregations(query.expression)
            if aggregation.modifier
        )


@on_each_query
def test_a_legend_shows_labels_that_the_query_keeps(query: Query) -> None:
    kept = {
        label for each in aggregations(query.expression) if each.modifier for label in each.modifier.labels
    }
    if not aggregations(query.expression):
        kept = OF_PROMETHEUS
    assert set(re.findall(r"{{(\w+)}}", query.legend)) <= kept


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {selector.name for query in OF_PANELS for selector in selectors(query.expression)}
    missing = {name for name, known in every_metric().items() if not known.series & shown}
    assert missing == set()


def test_the_dashboard_can_be_imported_beside_any_data_source() -> None:
    variables = {variable["name"]: variable for variable in dashboard()["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    sources = [target["datasource"] for panel in panels() for target in panel["targets"]]
    sources += [panel["datasource"] for panel in panels()] + [variables["instance"]["datasource"]]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_the_dashboard_has_a_row_for_each_subject() -> None:
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "Images", "Pipeline and queues", "Vision", "WebSocket", "HTTP", "Process"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    everything = dashboard()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    cells = [cell for panel in everything for cell in cells_of(panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert all(x < 24 for x, _ in cells)


def cells_of(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_each_panel_says_what_it_shows() -> None:
    assert all(panel["title"] and panel["description"] for panel in panels())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_has_the_shape_that_prometheus_takes(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
    assert re.fullmatch(r"Gateway[A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_says_what_to_do_and_where_to_read_on(rule: dict[str, Any]) -> None:
    notes = rule["annotations"]
    assert notes.keys() == {"summary", "description", "runbook"}
    assert len(notes["description"]) > len(notes["summary"])
    document, _, anchor = notes["runbook"].partition("#")
    assert document == "docs/TROUBLESHOOTING.md"
    assert anchor in anchors(ROOT / document)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_what_a_rule_tells_of_its_labels_is_there(rule: dict[str, Any]) -> None:
    expression = promql_parser.parse(rule["expr"])
    kept = {label for each in aggregations(expression) if each.modifier for label in each.modifier.labels}
    kept = kept or {label for selector in selectors(expression) for label in labels_of(selector)}
    told = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"] + rule["annotations"]["description"])
    assert set(told) <= kept


def test_rules_are_named_once() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
