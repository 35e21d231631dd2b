"""The door of Datadog, on a real socket."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings
from tests.free_ports import free_port
from tests.servers.datadog_agent import HOST, Line, running_agent

MODULES = """
import sys
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings
Metrics(MetricsSettings({settings}))
print("datadog" in sys.modules)
"""


@asynccontextmanager
async def metrics_for(port: int, host: str = HOST) -> AsyncIterator[Metrics]:
    metrics = Metrics(MetricsSettings(datadog_host=host, datadog_port=port, datadog_env="test"))
    try:
        yield metrics
    finally:
        await metrics.close()


async def test_each_kind_of_instrument_is_told_to_the_agent() -> None:
    async with running_agent() as agent:
        async with metrics_for(agent.port) as metrics:
            metrics.jobs.images_ended.of(status="failed").add(2)
            metrics.subscribers.connections.set(3)
            metrics.broker.publish_seconds.observe(0.25)
        await agent.wait_for(lambda line: line.name == "photo_tags.publish_seconds")
        env = "env:test"
        assert Line("photo_tags.images_ended_total", "2", "c", (env, "status:failed")) in agent.lines
        assert Line("photo_tags.websocket_connections", "3", "g", (env,)) in agent.lines
        assert Line("photo_tags.publish_seconds", "0.25", "h", (env,)) in agent.lines


async def test_a_new_job_is_an_event() -> None:
    async with running_agent() as agent:
        async with metrics_for(agent.port) as metrics:
            metrics.jobs.tell_job_created("a-job", 2)
        event = await agent.wait_for(lambda line: line.kind == "e")
        text = "Batch job a-job created with 2 images"
        assert event == Line("Batch job created", text, "e", ("env:test",))


async def test_what_is_told_comes_while_the_process_runs() -> None:
    async with running_agent() as agent, metrics_for(agent.port) as metrics:
        metrics.jobs.jobs_accepted.add()
        await agent.wait_for(lambda line: line.name == "photo_tags.jobs_accepted_total")


async def test_dd_env_in_the_environment_is_not_told_twice(monkeypatch) -> None:
    monkeypatch.setenv("DD_ENV", "test")
    async with running_agent() as agent:
        async with metrics_for(agent.port) as metrics:
            metrics.jobs.jobs_accepted.add()
        line = await agent.wait_for(lambda line: line.name == "photo_tags.jobs_accepted_total")
        assert line.tags == ("env:test",)


async def test_an_agent_that_is_away_costs_the_caller_nothing_and_is_no_error(caplog) -> None:
    async with metrics_for(free_port()) as metrics:
        begun = time.perf_counter()
        for _ in range(10_000):
            metrics.jobs.jobs_accepted.add()
            metrics.broker.publish_seconds.observe(0.1)
        spent_s = time.perf_counter() - begun
    assert spent_s < 10
    assert caplog.records == []


async def test_an_agent_whose_name_is_unknown_is_no_error(caplog) -> None:
    async with metrics_for(8125, host="no-such-host.invalid") as metrics:
        metrics.jobs.jobs_accepted.add()
    assert caplog.records == []


def test_without_datadog_its_library_is_not_loaded() -> None:
    assert _is_library_loaded("") == "False"
    assert _is_library_loaded('datadog_host="127.0.0.1"') == "True"


def _is_library_loaded(settings: str) -> str:
    command = [sys.executable, "-c", MODULES.format(settings=settings)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
