"""P1, P3 and P4: what it costs the processor to read ten images of ten megabytes out of one request.

The gateway's reader, from admission to the bytes of each image, stands in a bare application, for a sink in place of
the stores leaves nothing else to measure. Beside it stands the same application with a handler that reads the same
body and forgets it. Measured is the processor time of each; bare sockets in a process of their own send. The first
request warms up and does not count.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
from attrs import frozen

from tests.benchmarks.intake_app import CPU, FORGET, HASH
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.large_bodies import Kind, LargeBody
from tests.benchmarks.posting import HOST
from tests.benchmarks.row import Row, at_most
from tests.benchmarks.serving import serving
from tests.benchmarks.streaming import stream

IMAGES = 10
ROUNDS = 15
"""Many, for what the kernel does for the network it charges to the sender in one round, to the server in another."""


@frozen
class Case:
    """`path`: what becomes of the bytes."""

    name: str
    kind: Kind
    path: str
    compared_with: str
    bound: float


FORGETTING = "a bare aiohttp app that reads the same body and forgets it"
HASHING = "a bare aiohttp app that reads the same body and hashes as many bytes"
CASES: Sequence[Case] = (
    Case("intake of JSON, 10 x 10 MB", "json", FORGET, FORGETTING, 1.25),
    Case("intake of JSON, 10 x 10 MB, with SHA-256", "json", HASH, HASHING, 1.10),
    Case("intake of JSON with escaped slashes, 10 x 10 MB", "escaped", FORGET, FORGETTING, 3.0),
    Case("intake of multipart, 10 x 10 MB", "multipart", FORGET, FORGETTING, 1.6),
)


async def run() -> list[Row]:
    async with AsyncExitStack() as stack:
        gateway, bare = [
            await stack.enter_async_context(serving("tests.benchmarks.intake_app", reader))
            for reader in ("gateway", "bare")
        ]
        return [await compared(case, gateway, bare) for case in CASES]


async def compared(case: Case, gateway: int, bare: int) -> Row:
    own, other = await interleaved(partial(cpu_ms, gateway, case), partial(cpu_ms, bare, case), rounds=ROUNDS)
    return Row(
        name=case.name,
        value=own,
        unit="CPU ms",
        reference=other,
        compared_with=case.compared_with,
        goal=at_most(case.bound),
    )


async def cpu_ms(port: int, case: Case) -> float:
    """Of the server, for one request."""
    before = await cpu_s(port)
    await stream(port, case.path, LargeBody(case.kind, IMAGES))
    return 1000 * (await cpu_s(port) - before)


async def cpu_s(port: int) -> float:
    async with aiohttp.ClientSession() as http, http.get(f"http://{HOST}:{port}{CPU}") as answer:
        return float(await answer.text())
