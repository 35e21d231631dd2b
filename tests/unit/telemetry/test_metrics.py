import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from gateway.failure_codes import FAILURE_CODES
from gateway.ports.broker import Queue
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import CLOSE_CODES, QUEUES, Metrics
from gateway.telemetry.settings import MetricsSettings
from tests.documents import ROOT, section, tables, words
from tests.every_metric import every_metric
from tests.recording_agent import RecordingAgent

PAGE = ROOT / "docs" / "metrics.md"
GROUPS = (
    "Jobs and images",
    "WebSocket",
    "HTTP",
    "Broker",
    "Object store",
    "Analyzer and processor",
    "Vision",
    "Process",
)
UNBOUNDED = {
    "job",
    "job_id",
    "trace_id",
    "image",
    "url",
    "path",
    "host",
    "user",
    "name",
    "reason",
    "error",
    "message",
}


def test_the_page_lists_every_metric_with_its_kind_labels_and_name_for_datadog() -> None:
    listed = {
        (words(name)[0], kind, tuple(words(labels)), words(datadog)[0])
        for group in GROUPS
        for name, kind, labels, _, datadog in tables(section(PAGE, group))
    }
    assert listed == {
        (name, known.kind, tuple(known.labels), f"photo_tags.{name.removeprefix('gateway_')}")
        for name, known in every_metric().items()
    }


def test_the_page_says_of_each_metric_what_its_help_says() -> None:
    instruments = Instruments()
    every_metric(instruments)
    helps = {family.documentation for family in instruments.registry.collect()}
    assert {row[3] for group in GROUPS for row in tables(section(PAGE, group))} == helps


def test_the_page_lists_every_value_of_every_label() -> None:
    listed = {word for row in tables(section(PAGE, "What labels hold")) for word in words(row[1])}
    known = {
        value for metric in every_metric().values() for values in metric.labels.values() for value in values
    }
    # Three rows refer to a table elsewhere, and to a standard.
    elsewhere = {
        *FAILURE_CODES,
        *CLOSE_CODES,
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "2xx",
        "3xx",
        "4xx",
    }
    assert known - elsewhere <= listed


@pytest.mark.parametrize(
    "page",
    [PAGE, ROOT / "docs" / "TROUBLESHOOTING.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))],
    ids=lambda page: page.name,
)
def test_every_metric_that_a_page_for_operators_names_exists(page: Path) -> None:
    there = {name for known in every_metric().values() for name in (known.name, *known.series)}
    named = set(re.findall(r"\bgateway_[a-z_]+[a-z](?![a-z_*.])", page.read_text()))
    assert named <= there


def test_both_doors_know_the_same_metrics_by_the_same_names() -> None:
    agent = RecordingAgent()
    instruments = Instruments(agent)
    names = {name.removeprefix("gateway_") for name in every_metric(instruments)}
    assert agent.names == names


def test_names_keep_the_rules_of_prometheus() -> None:
    for name, known in every_metric().items():
        assert name.startswith("gateway_")
        assert name.endswith("_total") == (known.kind == "counter")
        assert not name.endswith(("_ms", "_milliseconds", "_kb", "_mb", "_count", "_sum", "_bucket"))


def test_no_label_is_of_a_kind_that_knows_no_end() -> None:
    labels = {label for known in every_metric().values() for label in known.labels}
    assert not labels & UNBOUNDED


def test_only_what_is_known_at_run_time_may_be_any_value_of_a_label() -> None:
    free = {
        label for known in every_metric().values() for label, values in known.labels.items() if not values
    }
    assert free == {"route", "version", "python"}


@pytest.mark.parametrize("name", ["gateway_image_failures_total", "gateway_download_errors_total"])
def test_the_codes_of_failures_are_those_that_clients_read(name: str) -> None:
    assert set(every_metric()[name].labels["code"]) == {*FAILURE_CODES, "other"}


def test_the_queues_are_those_of_the_broker() -> None:
    assert set(QUEUES) == set(Queue)


def test_a_process_shows_only_the_parts_that_it_has() -> None:
    metrics = Metrics(MetricsSettings())
    assert b"gateway_build_info" in generate_latest(metrics.instruments.registry)
    assert b"gateway_jobs" not in generate_latest(metrics.instruments.registry)
    metrics.jobs.jobs_accepted.add()
    assert b"gateway_jobs" in generate_latest(metrics.instruments.registry)


def test_each_process_has_metrics_of_its_own() -> None:
    first, second = Metrics(MetricsSettings()), Metrics(MetricsSettings())
    first.jobs.jobs_accepted.add()
    second.jobs.jobs_accepted.add(5)
    assert first.instruments.registry.get_sample_value("gateway_jobs_accepted_total") == 1


@pytest.mark.parametrize(
    ("settings", "agent"),
    [
        (MetricsSettings(), None),
        (MetricsSettings(datadog_host="agent"), ("agent", 8125)),
        (MetricsSettings(datadog_api_key="secret"), ("localhost", 8125)),
        (MetricsSettings(datadog_host="agent", datadog_api_key="secret", datadog_port=9125), ("agent", 9125)),
        (MetricsSettings(datadog_env="prod"), None),
    ],
    ids=["nothing set", "host", "key", "both", "environment alone"],
)
def test_datadog_is_on_when_a_host_or_a_key_is_set(
    settings: MetricsSettings, agent: tuple[str, int] | None
) -> None:
    assert settings.datadog_agent == agent


def test_the_key_is_not_shown_with_the_settings() -> None:
    assert "hush" not in repr(MetricsSettings(datadog_api_key="hush"))
