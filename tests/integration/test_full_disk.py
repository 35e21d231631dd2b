"""A disk that is full, for real: new work is refused, what was accepted stays readable, and all goes on with room."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.photos import a_jpeg
from tests.servers.gateway import START_S, Gateway, running_gateway


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB; mounting it needs root, as CI has it."""
    disk = tmp_path / "data"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        for size in (64 * 1024, 512):
            try:
                while filler.write(bytes(size)):
                    pass
            except OSError:
                continue


async def submit(http: aiohttp.ClientSession, gateway: Gateway) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "image/jpeg"}
    async with http.post(gateway.url("/api/v1/batch"), data=a_jpeg(), headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def status_of(http: aiohttp.ClientSession, gateway: Gateway, path: str) -> int:
    try:
        async with http.get(gateway.url(path)) as answer:
            await answer.read()
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0


async def until(http: aiohttp.ClientSession, gateway: Gateway, path: str, status: int) -> None:
    async with asyncio.timeout(START_S):
        while await status_of(http, gateway, path) != status:
            await asyncio.sleep(0.05)


async def a_completed_job(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    status, body = await submit(http, gateway)
    assert status == 201
    path = f"/api/v1/batch/{body['job_id']}"
    await until(http, gateway, f"{path}/images/0/processed", 200)
    return path


async def test_a_full_disk_refuses_new_work_and_keeps_the_old_readable(
    disk: Path, http: aiohttp.ClientSession
) -> None:
    async with running_gateway(disk) as gateway:
        done = await a_completed_job(http, gateway)
        fill(disk)
        status, problem = await submit(http, gateway)
        assert (status, problem["status"]) == (507, 507)
        await until(http, gateway, "/readyz", 503)
        assert await status_of(http, gateway, done) == 200
        assert await status_of(http, gateway, f"{done}/images/0/original") == 200
        (disk / "filler").unlink()
        await until(http, gateway, "/readyz", 200)
        await a_completed_job(http, gateway)


async def starts_without_room(gateway: Gateway) -> None:
    """Until it says so."""
    await gateway.launch()
    async with asyncio.timeout(START_S):
        while "no room to start" not in gateway.output():
            await asyncio.sleep(0.05)


async def test_a_start_after_a_stop_in_good_order_waits_for_room(
    disk: Path, http: aiohttp.ClientSession
) -> None:
    """Then SQLite's file has no log and no index beside it, and can't be read without room for them."""
    async with running_gateway(disk) as gateway:
        done = await a_completed_job(http, gateway)
        await gateway.stop()
        fill(disk)
        await starts_without_room(gateway)
        (disk / "filler").unlink()
        await until(http, gateway, "/readyz", 200)
        assert await status_of(http, gateway, f"{done}/images/0/processed") == 200
        await a_completed_job(http, gateway)


async def test_a_start_that_waits_for_room_can_be_stopped(disk: Path) -> None:
    async with running_gateway(disk) as gateway:
        await gateway.stop()
        fill(disk)
        await starts_without_room(gateway)
        assert (await gateway.stop()).code == 0


async def test_a_start_on_a_full_disk_serves_what_is_there_and_recovers_with_room(
    disk: Path, http: aiohttp.ClientSession
) -> None:
    async with running_gateway(disk) as gateway:
        done = await a_completed_job(http, gateway)
        fill(disk)
        await gateway.kill()
        await gateway.launch()
        await until(http, gateway, done, 200)
        assert await status_of(http, gateway, f"{done}/images/0/processed") == 200
        assert (await submit(http, gateway))[0] == 507
        assert await status_of(http, gateway, "/readyz") == 503
        (disk / "filler").unlink()
        await until(http, gateway, "/readyz", 200)
        await a_completed_job(http, gateway)
