"""A gateway in production mode starts whatever is away, and says so; an embedded one loads nothing of it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.following import follow
from tests.free_ports import free_port
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.gateway import HOST, OUR_VARIABLES, START_S, Gateway
from tests.servers.system import Program
from tests.submitting import readiness, submit_files

JPEG = {"Content-Type": "image/jpeg"}
OF_PRODUCTION = ("aiormq", "aiobotocore", "botocore")


@asynccontextmanager
async def launched(folder: Path, environment: Mapping[str, str], **settings: str) -> AsyncIterator[Gateway]:
    """Started, whether it becomes ready or not."""
    gateway = Gateway(folder / "data", free_port(), settings, environment=environment)
    await gateway.launch()
    try:
        yield gateway
    finally:
        await gateway.kill()
        gateway.show_news()


def nowhere() -> dict[str, str]:
    """Servers that are away."""
    return {
        "RABBITMQ_URL": f"amqp://guest:hidden@{HOST}:{free_port()}/",
        "MINIO_ENDPOINT": f"{HOST}:{free_port()}",
        "MINIO_ACCESS_KEY": "hidden",
        "MINIO_SECRET_KEY": "hidden",
    }


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


async def until_it_lives(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert gateway.process.returncode is None, gateway.output()
            with suppress(aiohttp.ClientConnectionError):
                async with http.get(gateway.url("/healthz")) as alive:
                    assert (alive.status, await alive.json()) == (200, {"status": "ok"})
                    return
            await asyncio.sleep(0.02)


async def opened_for_writing(pipe: Path) -> int:
    """Once somebody reads from it."""
    async with asyncio.timeout(START_S):
        while True:
            with suppress(OSError):
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            await asyncio.sleep(0.02)


async def until_it_waits(pid: int) -> None:
    """For what is in a pipe: Python may sleep over a signal that comes in the instant before a read."""
    looks = 0
    async with asyncio.timeout(PATIENCE_S):
        while looks < 5:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            looks = looks + 1 if state == "S" else 0
            await asyncio.sleep(0.02)


async def test_it_starts_while_broker_and_object_store_are_away_and_tells_so(tmp_path, http):
    async with launched(tmp_path, nowhere()) as gateway:
        await until_it_lives(http, gateway)
        status, report = await readiness(http, gateway.base_url)
        assert (status, report["status"]) == (503, "not_ready")
        assert {name: check["status"] for name, check in report["checks"].items()} == {
            "object_store": "failing",
            "broker": "failing",
            "job_store": "ok",
        }
        async with http.post(gateway.url("/api/v1/batch?name=a.jpg"), data=a_jpeg(), headers=JPEG) as answer:
            assert answer.status == 503
        ended = await gateway.stop()
        assert (ended.code, gateway.complaints()) == (0, [])
        assert "hidden" not in json.dumps(report) + gateway.output()


@pytest.mark.parametrize("command", [("serve",), ("worker", "analyzer")], ids=["gateway", "worker"])
async def test_a_stop_while_it_waits_for_broker_and_object_store_ends_the_start_in_order(tmp_path, command):
    environment = nowhere() | {"GATEWAY_DATA_DIR": str(tmp_path / "data"), "SERVER_PORT": str(free_port())}
    program = Program(["-m", "gateway", *command], environment, tmp_path / "log", "/healthz")
    await program.launch()
    try:
        async with asyncio.timeout(START_S):
            while "object storage is not ready yet" not in program.output():
                await asyncio.sleep(0.02)
        ended = await program.stop()
        assert (ended.code, ended.seconds < PATIENCE_S / 2) == (0, True)
        assert "Traceback" not in program.output()
    finally:
        await program.kill()
        print(program.output())


async def test_a_stop_before_the_settings_are_read_ends_it_in_silence(tmp_path):
    config = tmp_path / "slow.toml"
    os.mkfifo(config)
    program = Program(["-m", "gateway", "serve", "--config", str(config)], {}, tmp_path / "log", "/healthz")
    await program.launch()
    writer = await opened_for_writing(config)
    await until_it_waits(program.process.pid)
    ended = await program.stop()
    os.close(writer)
    assert (ended.code, program.output()) == (0, "")


async def test_the_neighbours_can_be_built_in_on_rabbitmq_and_s3_too(tmp_path, http, rabbitmq_url, rclone):
    names = {f"object_store_{name}": str(text) for name, text in rclone.options().items()}
    servers = {"RABBITMQ_URL": rabbitmq_url, "MINIO_ENDPOINT": rclone.endpoint}
    kinds = {"analyzer_kind": "built_in", "processor_kind": "built_in", "http_host": HOST}
    async with launched(tmp_path, servers, **names, **kinds) as gateway:
        await until_it_lives(http, gateway)
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        assert (await follow(http, gateway.base_url, job_id)).frames[-1]["status"] == "completed"
        assert (await gateway.stop()).code == 0


WHAT_EMBEDDED_MODE_LOADS = """
import asyncio, sys
from pathlib import Path
from gateway.serving import run_gateway
from gateway.app import assembled
from gateway.settings import Settings

async def start():
    async with assembled(Settings(data_dir=Path(sys.argv[1]))):
        print(*sorted({name.partition(".")[0] for name in sys.modules}))

asyncio.run(start())
"""


def test_embedded_mode_loads_no_library_of_rabbitmq_or_s3(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WHAT_EMBEDDED_MODE_LOADS, str(tmp_path / "data")],
        env={name: text for name, text in os.environ.items() if not name.startswith(OUR_VARIABLES)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=START_S,
    )
    loaded = done.stdout.split()
    assert "aiohttp" in loaded, done.stderr
    assert set(loaded).isdisjoint(OF_PRODUCTION)
