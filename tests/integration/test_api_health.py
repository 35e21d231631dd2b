"""Probes: alive while the loop turns, ready while all that is needed works."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from gateway.api import health
from gateway.api.application import build_worker_application
from gateway.background import Background
from gateway.ports.clock import Clock, SystemClock
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings
from tests.builders import NOW
from tests.clocks import HandClock
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway


async def ready(quiet: QuietGateway) -> tuple[int, Any]:
    async with quiet.http.get("/readyz") as answer:
        return answer.status, await answer.json()


async def test_alive(quiet: QuietGateway) -> None:
    async with quiet.http.get("/healthz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"status": "ok"}


async def test_ready_with_each_part(quiet: QuietGateway) -> None:
    status, report = await ready(quiet)
    assert (status, report["status"], report["warnings"]) == (200, "ready", [])
    assert list(report["checks"]) == ["object_store", "broker", "job_store"]
    assert all(check["status"] == "ok" and check["detail"] for check in report["checks"].values())


async def test_a_part_that_is_down_makes_it_unready_and_is_named(quiet: QuietGateway) -> None:
    quiet.context.broker.close()  # type: ignore[attr-defined]
    status, report = await ready(quiet)
    assert (status, report["status"]) == (503, "not_ready")
    assert report["checks"]["broker"]["status"] == "failing"
    assert report["checks"]["job_store"]["status"] == "ok"


async def test_a_lost_folder_makes_it_unready(quiet: QuietGateway) -> None:
    shutil.rmtree(quiet.objects_dir)
    status, report = await ready(quiet)
    assert (status, report["checks"]["object_store"]["status"]) == (503, "failing")


async def test_a_gateway_that_stops_is_unready_and_alive(quiet: QuietGateway) -> None:
    quiet.context.background.ask_to_stop()
    status, report = await ready(quiet)
    assert (status, report["warnings"]) == (503, ["the gateway is stopping"])
    async with quiet.http.get("/healthz") as answer:
        assert answer.status == 200


async def test_a_service_that_died_is_named(quiet: QuietGateway) -> None:
    class Buggy:
        name = "collector"

        async def run(self) -> None:
            raise RuntimeError("a bug")

    background = quiet.context.background
    async with background.running(Buggy()):
        await asyncio.wait_for(background.stopping.wait(), PATIENCE_S)
        status, report = await ready(quiet)
    assert (status, report["warnings"]) == (503, ["the service collector died"])


@asynccontextmanager
async def a_worker_s_door(
    checks: Mapping[str, health.Check], warnings: list[str], clock: Clock | None = None
) -> AsyncIterator[tuple[Background, aiohttp.ClientSession]]:
    """The door of a process that is called `analyzer`."""
    settings, background = MetricsSettings(), Background()
    metrics = Metrics(settings)
    probes = health.Health(
        name="analyzer",
        checks=checks,
        warnings=lambda: warnings,
        background=background,
        clock=clock or SystemClock(),
        metrics=metrics.health,
    )
    async with (
        TestServer(build_worker_application(probes, metrics, settings)) as server,
        aiohttp.ClientSession(server.make_url("/")) as http,
    ):
        yield background, http


async def all_is_well() -> str:
    return "well"


async def test_a_worker_is_asked_for_its_own_parts() -> None:
    async with a_worker_s_door({"broker": all_is_well}, []) as (_, http), http.get("/readyz") as answer:
        assert await answer.json() == {
            "status": "ready",
            "checks": {"broker": {"status": "ok", "detail": "well"}},
            "warnings": [],
        }


async def test_an_answer_serves_the_probes_of_the_next_second() -> None:
    clock, asked = HandClock(), list[datetime]()

    async def notes_that_it_was_asked() -> str:
        asked.append(clock.now())
        return "well"

    async with a_worker_s_door({"broker": notes_that_it_was_asked}, [], clock) as (_, http):
        for after_s in (0, health.FRESH_S / 2, health.FRESH_S / 2, 0):
            clock.turn(after_s)
            async with http.get("/readyz") as answer:
                assert answer.status == 200
    assert asked == [NOW, NOW + timedelta(seconds=health.FRESH_S)]


async def test_a_part_that_does_not_answer_makes_it_unready_and_the_log_says_which() -> None:
    async def silence() -> str:
        await asyncio.Event().wait()
        return ""

    with capture_logs() as lines:
        async with a_worker_s_door({"broker": silence}, []) as (_, http), http.get("/readyz") as answer:
            report = await answer.json()
    reason = f"no answer within {health.CHECK_S:g} seconds"
    assert (answer.status, report["checks"]["broker"]) == (503, {"status": "failing", "detail": reason})
    assert [(line["event"], line["part"], line["reason"]) for line in lines] == [
        ("not ready", "broker", reason)
    ]


async def test_warnings_are_those_of_the_moment_and_make_nobody_unready() -> None:
    warnings: list[str] = []
    async with a_worker_s_door({"broker": all_is_well}, warnings) as (_, http):
        for told in ([], ["a queue stands with other arguments"], []):
            warnings[:] = told
            async with http.get("/readyz") as answer:
                assert (answer.status, (await answer.json())["warnings"]) == (200, told)


async def test_a_worker_that_stops_is_called_by_its_name() -> None:
    async with a_worker_s_door({}, []) as (background, http):
        background.ask_to_stop()
        async with http.get("/readyz") as answer:
            assert (answer.status, (await answer.json())["warnings"]) == (503, ["the analyzer is stopping"])
