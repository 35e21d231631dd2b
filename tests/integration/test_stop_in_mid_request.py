"""What a stop leaves of requests that it cuts off, and of leftovers that are just being removed, in an S3 that is slow:
nothing but what may still arrive; in one that is gone: what the next start removes.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.adapters.job_store.sqlite import SqliteJobStore
from tests.builders import NOW
from tests.chaos.reservations import Reservation, reservations_in
from tests.integration.test_slow_object_store import Form, Scene, scene_in
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, padded
from tests.servers.faulty_s3 import ALL, Fault, FaultyS3, passed_on, stalled
from tests.servers.gateway import Gateway
from tests.servers.held_puts import Held, hold_deletes, hold_puts
from tests.servers.raw_http import connection, head
from tests.servers.s3 import S3Server, uploads_in
from tests.servers.web import image, web_server
from tests.submitting import submit_json

QUICK_S, PATIENT_S = 0.5, 4.0
"""What requests in hand have to end: where nothing else is waited for, and where there must be time to undo them."""
DELETE_S = 0.3
"""How long a slow store takes for one: longer than all that a stop waits for besides requests."""
IN_TIME_S = 10
"""What is not waited for would take longer."""
LATE_S = 120
"""Four times what the store is given for one step: so long what was sent to it may still arrive."""
SMALL = a_jpeg()
IN_PARTS = padded(a_jpeg(), 8 * 1024**2)


@asynccontextmanager
async def scene_of(
    folder: Path, server: S3Server, *, shutdown_s: float = QUICK_S, **settings: Any
) -> AsyncIterator[Scene]:
    async with scene_in(folder, server, http_shutdown_timeout_s=shutdown_s, **settings) as scene:
        yield scene


@pytest.fixture
async def scene(rclone: S3Server, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_of(tmp_path, rclone) as scene:
        yield scene


def reservations(scene: Scene) -> list[Reservation]:
    return reservations_in(scene.gateway.data_dir / "jobs.sqlite")


def slow_to_delete(of_puts: Fault) -> Fault:
    async def fault(store: FaultyS3, request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            return await of_puts(store, request)
        await asyncio.sleep(DELETE_S)
        return await passed_on(store, request)

    return fault


@asynccontextmanager
async def request_under_way(scene: Scene, form: Form, held: Held) -> AsyncIterator[None]:
    """It is sent to its end, and one of its puts waits."""
    async with connection(scene.gateway.port) as line:
        await line.send(head("POST", "/api/v1/batch", *form.headers), *form.pieces())
        await held.until(1)
        yield


async def none_is_reserved(scene: Scene) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while reservations(scene):
            await asyncio.sleep(0.02)


async def told_to_stop(gateway: Gateway) -> None:
    gateway.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        while not any(line["event"] == "stopping" for line in gateway.log()):
            await asyncio.sleep(0.02)


async def ended(gateway: Gateway) -> int:
    async with asyncio.timeout(PATIENCE_S):
        return await gateway.process.wait()


@pytest.mark.parametrize("photo", [SMALL, IN_PARTS], ids=["at once", "in parts"])
async def test_a_request_whose_put_takes_longer_than_a_stop_is_undone(
    rclone: S3Server, tmp_path: Path, photo: bytes
) -> None:
    """Its reservation stands for as long as the put may arrive, and not for as long as a request may take."""
    async with scene_of(tmp_path, rclone, shutdown_s=PATIENT_S) as scene:
        held = hold_puts(scene.store, after=1)
        scene.store.fault, scene.store.methods = slow_to_delete(held), ("PUT", "DELETE")
        async with request_under_way(scene, Form(2, photo), held):
            ended = await scene.gateway.stop()
        left = await scene.keys(), await uploads_in(scene.store.behind, scene.bucket)
        assert (ended.code, left) == (0, ([], []))
        assert [each for each in reservations(scene) if each.due_s > LATE_S or each.is_claimed] == []


async def test_in_a_store_that_is_gone_what_a_stop_leaves_goes_with_the_next_start(scene: Scene) -> None:
    held = hold_puts(scene.store, after=1)
    async with request_under_way(scene, Form(2, SMALL), held):
        await scene.has(1)
        scene.store.fault, scene.store.methods = stalled, ALL
        ended = await scene.gateway.stop()
    assert (ended.code, len(await scene.keys()), len(reservations(scene))) == (0, 1, 2)
    scene.store.fault = None
    await scene.gateway.start()
    await scene.is_empty()
    assert [0 < each.due_s <= LATE_S for each in reservations(scene)] == [True] * 2  # more may arrive


async def test_a_stop_that_gives_requests_no_time_waits_for_none(rclone: S3Server, tmp_path: Path) -> None:
    async with scene_of(tmp_path, rclone, shutdown_s=0) as scene:
        held = hold_puts(scene.store)
        async with request_under_way(scene, Form(1, SMALL), held):
            scene.store.fault, scene.store.methods = stalled, ALL
            ended = await scene.gateway.stop()
        assert (ended.code, ended.seconds < IN_TIME_S) == (0, True)


async def test_a_download_in_parts_holds_up_no_stop_in_a_store_that_is_gone(
    rclone: S3Server, tmp_path: Path
) -> None:
    """Else the gateway would call it an error. What it has put is aborted or not: the next start makes it anew."""
    async with (
        web_server({"/large.jpg": image(IN_PARTS, "image/jpeg")}) as site,
        scene_of(
            tmp_path, rclone, fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
        ) as scene,
        aiohttp.ClientSession() as http,
    ):
        held = hold_puts(scene.store)
        await submit_json(http, scene.gateway.base_url, [{"url": site.url("/large.jpg")}])
        await held.until(1)
        scene.store.fault, scene.store.methods = stalled, ALL
        assert (await scene.gateway.stop()).code == 0


async def a_leftover(scene: Scene) -> None:
    """Of a request long ago; the gateway finds it at its start."""
    await scene.gateway.stop()
    async with SqliteJobStore.open(scene.gateway.data_dir / "jobs.sqlite") as jobs:
        await jobs.reserve(["b-x"], deadline=NOW)
    await scene.gateway.start()


async def test_leftovers_that_are_being_removed_when_a_stop_comes_are_removed(scene: Scene) -> None:
    held = hold_deletes(scene.store)
    await a_leftover(scene)
    await held.until(1)
    await told_to_stop(scene.gateway)
    held.let_go()
    assert (await ended(scene.gateway), reservations(scene)) == (0, [])


async def test_in_a_store_that_is_too_slow_for_a_stop_the_next_start_removes_them(scene: Scene) -> None:
    held = hold_deletes(scene.store)
    await a_leftover(scene)
    await held.until(1)
    stopped = await scene.gateway.stop()
    assert (stopped.code, [each.is_claimed for each in reservations(scene)]) == (0, [True])
    held.let_go()
    await scene.gateway.start()
    await none_is_reserved(scene)
