"""What embedded mode costs a machine that has it running, and how soon it is there."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Row, at_most
from tests.free_ports import free_port
from tests.pictures import china
from tests.servers.gateway import HOST, Gateway

ROUNDS = 9
PHOTOS = 20
SETTLE_S = 3.0
HELPERS = {"helpers_count": "4", "helpers_idle_s": "1s"}
"""As many as there are by default on four processors or more; they end sooner than by default, to spare time."""
PATIENCE_S = 30
POLL_S = 0.002

MOST_MB = 100
MOST_TIME = 1.5


async def run() -> list[Row]:
    """Memory of the whole process tree, and seconds from the start of the process to the first good answer."""
    fresh, worked = await memory_mb()
    ours, bare = await interleaved(gateway_start_s, bare_start_s, rounds=ROUNDS)
    return [
        Row(name="embedded, idle, just started", value=fresh, unit="MB of PSS", goal=at_most(MOST_MB)),
        Row(name="embedded, idle, after a batch", value=worked, unit="MB of PSS", goal=at_most(MOST_MB)),
        Row(
            name="embedded, start to ready",
            value=ours,
            unit="s",
            reference=bare,
            compared_with="a bare aiohttp app that imports the same libraries",
            goal=at_most(MOST_TIME),
        ),
    ]


async def memory_mb() -> tuple[float, float]:
    """Of a gateway that has done nothing yet, and of one that has tagged photos and is idle again."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder) / "data", free_port(), HELPERS)
        try:
            await gateway.start()
            await asyncio.sleep(SETTLE_S)
            fresh = tree_pss_mb(gateway.process.pid)
            await _tag_photos(gateway)
            await _alone(gateway.process.pid)
            return fresh, tree_pss_mb(gateway.process.pid)
        finally:
            await gateway.kill()


async def _alone(pid: int) -> None:
    """Until its helpers have ended."""
    async with asyncio.timeout(PATIENCE_S):
        while list(_tree(pid)) != [pid]:
            await asyncio.sleep(POLL_S)


async def _tag_photos(gateway: Gateway) -> None:
    form = aiohttp.FormData()
    for number in range(PHOTOS):
        form.add_field("images", china(), filename=f"{number}.jpg")
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        async with http.post(gateway.url("/api/v1/batch"), data=form) as answer:
            job_id = (await answer.json())["job_id"]
        async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws")) as subscriber:
            frames = [message.json() async for message in subscriber]
    if frames[-1]["completed"] != PHOTOS:
        raise RuntimeError(f"not all photos were tagged: {frames[-1]}")


def tree_pss_mb(pid: int) -> float:
    """Proportional set size of the process and all below it: shared pages are shared out."""
    return sum(_pss_kb(each) for each in _tree(pid)) / 1024


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


async def gateway_start_s() -> float:
    """Of a first start, which makes its data folder."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder) / "data", free_port(), {})
        started = time.perf_counter()
        await gateway.launch()
        try:
            return await _seconds_to_ready(started, gateway.port)
        finally:
            await gateway.kill()


async def bare_start_s() -> float:
    started = time.perf_counter()
    async with _bare_app() as port:
        return await _seconds_to_ready(started, port)


@asynccontextmanager
async def _bare_app() -> AsyncIterator[int]:
    port = free_port()
    arguments = ("-m", "tests.benchmarks.bare_app", str(port))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


async def _seconds_to_ready(started: float, port: int) -> float:
    async with asyncio.timeout(PATIENCE_S):
        while not await _is_ready(port):
            await asyncio.sleep(POLL_S)
    return time.perf_counter() - started


async def _is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    except ConnectionError:
        return False
    return answer.startswith(b"HTTP/1.1 200")
