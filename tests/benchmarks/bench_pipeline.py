"""How many photos of 12 megapixels the embedded gateway tags in a minute, against the sum of the parts of that work.

A gateway for each number of helper processes is sent photos, all by turns, and the parts are measured apart between
them: a busy machine hurts all alike. A gateway that has none is idle.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import click
from attrs import frozen

from gateway.metadata import Metadata
from gateway.processes import HelperProcesses, HelperSettings
from tests.benchmarks.large_photos import large_photos
from tests.benchmarks.pipeline_parts import CALL_S, Parts, analyse, exiftool_s, measured_parts, tag_files
from tests.benchmarks.row import Row, at_least
from tests.free_ports import free_port
from tests.servers.gateway import Gateway

CORES = len(os.sched_getaffinity(0))
COUNTS = tuple(count for count in (1, 2, 4) if count <= CORES)
"""Of helper processes."""
ROUNDS = 5
PHOTOS = 40
"""For the gateway with the most helpers, in each round: 200 in all."""
FEW_PHOTOS = 20
"""Likewise for the others."""
BATCH = 10
SAMPLE = 9
"""Photos that each part is measured with, in each round: one of every kind."""
ROUND_S = 120
IDLE_S = 300.0
"""None ends while the others have their turns."""

LEAST_OF_THE_PARTS = 1 / 1.5
LEAST_OF_EXIFTOOL = 1.0
LEAST_OF_DOUBLING = 1.5


@frozen
class Round:
    """What was measured one after the other: photos a minute by number of helper processes, and the parts likewise."""

    gateways: dict[int, float]
    parts: dict[int, Parts]


async def run() -> list[Row]:
    rounds = await measured_rounds()
    _show(rounds)
    rows = [_against_the_parts(count, rounds) for count in COUNTS]
    doublings = [_doubling(count, rounds) for count in COUNTS if 2 * count in COUNTS]
    return [*rows, *doublings, await _against_exiftool()]


def _against_the_parts(count: int, rounds: Sequence[Round]) -> Row:
    return Row(
        name=f"pipeline, helper processes: {count}",
        value=_gateway_speed(count, rounds),
        unit="photos a minute",
        reference=statistics.median(each.parts[count].photos_per_minute for each in rounds),
        compared_with="its parts, each alone, in as many processes",
        goal=at_least(LEAST_OF_THE_PARTS),
    )


def _doubling(count: int, rounds: Sequence[Round]) -> Row:
    return Row(
        name=f"pipeline, helper processes: {2 * count} for {count}",
        value=_gateway_speed(2 * count, rounds),
        unit="photos a minute",
        reference=_gateway_speed(count, rounds),
        compared_with="half as many helper processes",
        goal=at_least(LEAST_OF_DOUBLING),
    )


def _gateway_speed(count: int, rounds: Sequence[Round]) -> float:
    return statistics.median(each.gateways[count] for each in rounds)


def _show(rounds: Sequence[Round]) -> None:
    """All that the rows are medians of."""
    for each in rounds:
        for count, parts in each.parts.items():
            click.echo(
                f"helper processes: {count}, photos a minute: {each.gateways[count]:.0f}; a photo alone: analysis "
                f"{1000 * parts.analysis_s:.0f} ms, tagging {1000 * parts.tagging_s:.0f} ms, "
                f"storing {1000 * parts.storing_s:.0f} ms"
            )


async def measured_rounds() -> list[Round]:
    photos = list(large_photos(ROUNDS * PHOTOS))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        helpers = HelperProcesses(HelperSettings(count=max(COUNTS), idle_s=IDLE_S))
        stack.push_async_callback(helpers.close)
        await measured_parts(helpers, max(COUNTS), photos[:1], folder / "parts")
        gateways = {
            count: await stack.enter_async_context(_gateway(folder / str(count), count)) for count in COUNTS
        }
        for count, gateway in gateways.items():
            await _tag(gateway, photos[: 2 * count])  # its helpers start, and load what they need
        return [
            await _round(gateways, helpers, photos[start : start + PHOTOS], folder / "parts")
            for start in range(0, len(photos), PHOTOS)
        ]


async def _round(
    gateways: dict[int, Gateway], helpers: HelperProcesses, photos: Sequence[bytes], folder: Path
) -> Round:
    speeds, parts = {}, {}
    for count, gateway in gateways.items():
        parts[count] = await measured_parts(helpers, count, photos[:SAMPLE], folder)
        sent = photos if count == max(gateways) else photos[:FEW_PHOTOS]
        speeds[count] = 60 * len(sent) / await _tag(gateway, sent)
    return Round(speeds, parts)


async def _tag(gateway: Gateway, photos: Sequence[bytes]) -> float:
    """Seconds from the first byte to the last photo; each batch is sent once the one before is accepted."""
    batches = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
    started = time.perf_counter()
    async with aiohttp.ClientSession() as http, asyncio.timeout(ROUND_S):
        jobs = [await _submit(http, gateway, batch) for batch in batches]
        completed = sum([await _completed(http, gateway, job_id) for job_id in jobs])
    seconds = time.perf_counter() - started
    if completed != len(photos):
        raise RuntimeError(f"not all photos were tagged: {completed} of {len(photos)}")
    return seconds


async def _submit(http: aiohttp.ClientSession, gateway: Gateway, photos: Sequence[bytes]) -> str:
    form = aiohttp.FormData()
    for number, photo in enumerate(photos):
        form.add_field("images", photo, filename=f"{number}.jpg", content_type="image/jpeg")
    async with http.post(gateway.url("/api/v1/batch"), data=form) as answer:
        job_id: str = (await answer.json())["job_id"]
    return job_id


async def _completed(http: aiohttp.ClientSession, gateway: Gateway, job_id: str) -> int:
    """How many photos of the job were tagged, once it has ended."""
    async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws")) as subscriber:
        frames = [message.json() async for message in subscriber]
    completed: int = frames[-1]["completed"]
    return completed


async def _against_exiftool() -> Row:
    """Tagging alone, for exiftool does nothing else."""
    photos = list(large_photos(2 * SAMPLE))
    async with _one_helper() as helper:
        _, words = await helper.run(analyse, photos, timeout_s=CALL_S)
        turns = [await _turn(helper, photos, words) for _ in range(5)]
    ours, exiftool = (60 / statistics.median(side) for side in zip(*turns, strict=True))
    return Row(
        name="tagging alone, one process",
        value=ours,
        unit="photos a minute",
        reference=exiftool,
        compared_with="one exiftool that writes the same words",
        goal=at_least(LEAST_OF_EXIFTOOL),
    )


async def _turn(
    helper: HelperProcesses, photos: Sequence[bytes], words: Sequence[Metadata]
) -> tuple[float, float]:
    ours = await helper.run(tag_files, photos, words, timeout_s=CALL_S)
    return ours, await asyncio.to_thread(exiftool_s, photos, words)


@asynccontextmanager
async def _gateway(data_dir: Path, helpers: int) -> AsyncIterator[Gateway]:
    gateway = Gateway(data_dir, free_port(), {"helpers_count": str(helpers), "helpers_idle_s": str(IDLE_S)})
    try:
        await gateway.start()
        yield gateway
    finally:
        await gateway.kill()


@asynccontextmanager
async def _one_helper() -> AsyncIterator[HelperProcesses]:
    """Warm, and not replaced."""
    helper = HelperProcesses(HelperSettings(count=1))
    try:
        photos = list(large_photos(1))
        _, words = await helper.run(analyse, photos, timeout_s=CALL_S)
        await helper.run(tag_files, photos, words, timeout_s=CALL_S)
        yield helper
    finally:
        await helper.close()
