"""The local provider: how many of its words are right, what a photo takes, and how large its helper grows.

The words are judged on two sets of pictures that chose nothing of the classifier; see tagging/pictures.py. Time is
the helper's CPU time for a JPEG of 12 megapixels, all facts of it included, against what cannot be saved: the
network's two forward passes. Memory is the most that the helper ever had resident.
"""

import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image

from gateway.analyzer.local.describe import describe
from gateway.analyzer.local.sight.classify import loaded_network
from gateway.analyzer.local.sight.network import SIZE
from gateway.images.inspect import MAX_PIXELS
from gateway.processes import HelperProcesses, HelperSettings
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Row, at_least, at_most
from tests.benchmarks.tagging.judged import Seen, judged, seen
from tests.benchmarks.tagging.pictures import photographs, stamps

WRITTEN_AT = 0.7
BOUNDS = (0.6, WRITTEN_AT, 0.8)
WIDTH, HEIGHT = 4000, 3000
ROUNDS = 9
CALL_S = 30.0
SAMPLE = Path(__file__).parents[2] / "examples" / "photos" / "garden-with-red-tulips.jpg"


async def run() -> list[Row]:
    """What is said of both sets, then what it costs."""
    helpers = HelperProcesses()
    try:
        sets = {
            "stamps": await seen(stamps(), helpers),
            "photographs": await seen(photographs(), helpers),
        }
    finally:
        await helpers.close()
    for name, all_seen in sets.items():
        _show(name, all_seen)
    return [*(_precision(name, all_seen) for name, all_seen in sets.items()), *await _costs()]


def _show(name: str, all_seen: list[Seen]) -> None:
    for bound in BOUNDS:
        found = judged(all_seen, bound)
        right = found.words - len(found.wrong)
        click.echo(
            f"{name} at {bound}: {right} of {found.words} words right ({found.precision:.1%}), "
            f"{found.with_words} of {found.pictures} pictures with a word ({found.coverage:.1%})"
        )
    click.echo(f"{name}, wrong at {WRITTEN_AT}: {', '.join(judged(all_seen, WRITTEN_AT).wrong) or 'none'}")


def _precision(name: str, all_seen: list[Seen]) -> Row:
    return Row(
        name=f"tagging, words right: {name}",
        value=judged(all_seen, WRITTEN_AT).precision,
        unit="of those written",
        goal=at_least(0.95),
    )


async def _costs() -> list[Row]:
    helpers = HelperProcesses(HelperSettings(count=1))
    photo = _large_photo()

    async def whole_ms() -> float:
        return await helpers.run(ms_of_a_photo, photo, timeout_s=CALL_S)

    async def passes_ms() -> float:
        return await helpers.run(ms_of_two_passes, timeout_s=CALL_S)

    try:
        await helpers.run(ms_of_a_photo, photo, timeout_s=CALL_S)
        peak = await helpers.run(peak_memory_mb, timeout_s=CALL_S)
        ours, reference = await interleaved(whole_ms, passes_ms, rounds=ROUNDS)
    finally:
        await helpers.close()
    return [
        Row(
            name="tagging, a photo of 12 megapixels",
            value=ours,
            unit="CPU ms",
            reference=reference,
            compared_with="the network's two forward passes alone",
            goal=at_most(1.5),
        ),
        Row(name="tagging, helper's peak memory", value=peak, unit="MB", goal=at_most(120)),
    ]


def _large_photo() -> bytes:
    with Image.open(SAMPLE) as sample:
        large = sample.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((WIDTH, HEIGHT), 12).convert("RGB")
    out = io.BytesIO()
    Image.blend(large, grain, 0.2).save(out, "JPEG", quality=90)
    return out.getvalue()


# What follows runs in the helper.


def ms_of_a_photo(photo: bytes) -> float:
    return _cpu_ms(partial(describe, photo, "photo.jpg", MAX_PIXELS, WRITTEN_AT))


def ms_of_two_passes() -> float:
    network, picture = loaded_network(), np.full((SIZE, SIZE, 3), 0.1, np.float32)
    return 2 * _cpu_ms(partial(network.logits, picture))


def _cpu_ms(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return (time.process_time() - before) * 1000


def peak_memory_mb() -> float:
    """Of this process; Linux alone tells it."""
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak) / 1024
