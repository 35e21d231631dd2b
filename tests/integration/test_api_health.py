"""Probes: alive while the loop turns, ready while all that is needed works."""

import asyncio
import shutil
from typing import Any

from gateway.api import health
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


async def test_an_answer_serves_the_probes_of_the_next_second(quiet: QuietGateway) -> None:
    await ready(quiet)
    quiet.context.broker.close()  # type: ignore[attr-defined]
    assert (await ready(quiet))[0] == 200
    async with asyncio.timeout(health.FRESH_S + 2):
        while (await ready(quiet))[0] == 200:
            await asyncio.sleep(0.05)


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
        await asyncio.wait_for(background.stopping.wait(), 5)
        status, report = await ready(quiet)
    assert (status, report["warnings"]) == (503, ["the service collector died"])
