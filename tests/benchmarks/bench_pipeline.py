"""How many photos of 12 megapixels the embedded gateway tags in a minute, against the sum of the parts of that work.

A gateway of its own for each number of helper processes is sent batches until all photos are tagged. Between two
batches the parts are measured apart, so that a busy machine hurts both alike.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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

PHOTOS = 200
"""Of the row with a helper for each core."""
FEW_PHOTOS = 80
"""Of the others."""
BATCH = 40
SAMPLE = 9
"""Photos that each part is measured with, each time: one of every kind."""
BATCH_S = 120

LEAST_OF_THE_PARTS = 1 / 1.5
LEAST_OF_TWICE = 1.5
CORES = os.cpu_count() or 1


@frozen
class Measured:
    """Photos a minute: of the gateway, and of its parts in as many processes as really run at once."""

    gateway: float
    parts: float


async def run() -> list[Row]:
    counts = [count for count in (1, 2, 4) if count <= CORES]
    measured = {
        count: await photos_per_minute(count, PHOTOS if count == 2 else FEW_PHOTOS) for count in counts
    }
    rows = [_against_the_parts(count, each) for count, each in measured.items()]
    if 2 in measured:
        rows.append(_scaling(measured[1].gateway, measured[2].gateway))
    return [*rows, await _against_exiftool()]


def _against_the_parts(count: int, measured: Measured) -> Row:
    return Row(
        name=f"pipeline, helper processes: {count}",
        value=measured.gateway,
        unit="photos a minute",
        reference=measured.parts,
        compared_with="analysis, tagging, storing, each alone, times the processes",
        goal=at_least(LEAST_OF_THE_PARTS),
    )


def _scaling(one: float, two: float) -> Row:
    return Row(
        name="pipeline, two helper processes",
        value=two,
        unit="photos a minute",
        reference=one,
        compared_with="one helper process",
        goal=at_least(LEAST_OF_TWICE),
    )


async def photos_per_minute(helpers: int, count: int) -> Measured:
    photos = list(large_photos(count))
    batches = [photos[start : start + BATCH] for start in range(0, count, BATCH)]
    with tempfile.TemporaryDirectory() as name:
        async with _gateway(Path(name) / "data", helpers) as gateway, _one_helper() as helper:
            await _tag(gateway, photos[: 2 * helpers])  # starts its helpers
            seconds, parts = 0.0, list[Parts]()
            for batch in batches:
                parts.append(await measured_parts(helper, photos[:SAMPLE], Path(name) / "parts"))
                seconds += await _tag(gateway, batch)
    _show(parts)
    reference = statistics.median(each.photos_per_minute(helpers) for each in parts)
    return Measured(60 * count / seconds, reference)


def _show(parts: Sequence[Parts]) -> None:
    analysis, tagging, storing = (
        1000 * statistics.median(getattr(each, part) for each in parts)
        for part in ("analysis_s", "tagging_s", "storing_s")
    )
    click.echo(
        f"a photo alone: analysis {analysis:.0f} ms, tagging {tagging:.0f} ms, storing {storing:.0f} ms"
    )


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
    gateway = Gateway(data_dir, free_port(), {"helpers_count": str(helpers)})
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
