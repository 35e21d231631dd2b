"""How many photos of 12 megapixels the embedded gateway tags in a minute, against the sum of the parts of that work.

A gateway for each number of helper processes is sent batches, all by turns, and the parts are measured apart between
them: a busy machine hurts all alike. Only the batch in hand makes work; gateways without one are idle.
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
BATCH = 40
"""Photos for the gateway with the most helpers, in each round: 200 in all."""
SMALL_BATCH = 20
"""Likewise for the others."""
SAMPLE = 9
"""Photos that each part is measured with, in each round: one of every kind."""
BATCH_S = 120
HELPERS_IDLE_S = "5m"
"""None ends while the others have their turns."""

LEAST_OF_THE_PARTS = 1 / 1.5
LEAST_OF_DOUBLING = 1.5


@frozen
class Round:
    """What was measured one after the other: photos a minute by number of helper processes, and the parts."""

    gateways: dict[int, float]
    parts: Parts


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
        reference=statistics.median(each.parts.photos_per_minute(count) for each in rounds),
        compared_with="the parts, each alone, times the helpers",
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
    analysis, tagging, storing = (
        1000 * statistics.median(seconds)
        for seconds in zip(
            *((each.parts.analysis_s, each.parts.tagging_s, each.parts.storing_s) for each in rounds),
            strict=True,
        )
    )
    click.echo(
        f"a photo alone: analysis {analysis:.0f} ms, tagging {tagging:.0f} ms, storing {storing:.0f} ms"
    )
    for each in rounds:
        speeds = ", ".join(f"{speed:.0f} with {count}" for count, speed in each.gateways.items())
        click.echo(f"photos a minute by helper processes: {speeds}")


async def measured_rounds() -> list[Round]:
    photos = list(large_photos(ROUNDS * BATCH))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        helper = await stack.enter_async_context(_one_helper())
        gateways = {
            count: await stack.enter_async_context(_gateway(folder / str(count), count)) for count in COUNTS
        }
        for count, gateway in gateways.items():
            await _tag(gateway, photos[: 2 * count])  # its helpers start, and load what they need
        return [
            await _round(gateways, helper, photos[start : start + BATCH], folder / "parts")
            for start in range(0, len(photos), BATCH)
        ]


async def _round(
    gateways: dict[int, Gateway], helper: HelperProcesses, photos: Sequence[bytes], folder: Path
) -> Round:
    parts = await measured_parts(helper, photos[:SAMPLE], folder)
    speeds = {}
    for count, gateway in gateways.items():
        batch = photos if count == max(gateways) else photos[:SMALL_BATCH]
        speeds[count] = 60 * len(batch) / await _tag(gateway, batch)
    return Round(speeds, parts)


async def _tag(gateway: Gateway, photos: Sequence[bytes]) -> float:
    """Seconds from the first byte of the batch to its last photo."""
    form = aiohttp.FormData()
    for number, photo in enumerate(photos):
        form.add_field("images", photo, filename=f"{number}.jpg", content_type="image/jpeg")
    started = time.perf_counter()
    async with aiohttp.ClientSession() as http, asyncio.timeout(BATCH_S):
        async with http.post(gateway.url("/api/v1/batch"), data=form) as answer:
            job_id = (await answer.json())["job_id"]
        async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws")) as subscriber:
            frames = [message.json() async for message in subscriber]
    seconds = time.perf_counter() - started
    if frames[-1]["completed"] != len(photos):
        raise RuntimeError(f"not all photos were tagged: {frames[-1]}")
    return seconds


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
        goal=at_least(1),
    )


async def _turn(
    helper: HelperProcesses, photos: Sequence[bytes], words: Sequence[Metadata]
) -> tuple[float, float]:
    ours = await helper.run(tag_files, photos, words, timeout_s=CALL_S)
    return ours, await asyncio.to_thread(exiftool_s, photos, words)


@asynccontextmanager
async def _gateway(data_dir: Path, helpers: int) -> AsyncIterator[Gateway]:
    gateway = Gateway(
        data_dir, free_port(), {"helpers_count": str(helpers), "helpers_idle_s": HELPERS_IDLE_S}
    )
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
