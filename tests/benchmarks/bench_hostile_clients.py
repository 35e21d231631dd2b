"""What two hundred clients that only hold connections open do to eight ordinary ones, and to a gateway's memory.

A hundred drip the headers of a request, a hundred stall in the middle of a body; who is cut off comes again. The
ordinary ones post batches of one image of 50 KB and ask how they stand, by turns with and without the others beside
them. All of them must be answered, and a stalled body may hold no more than is stated.
"""

import statistics

from tests.benchmarks.asking import p99
from tests.benchmarks.bench_post import batch_of_one
from tests.benchmarks.beside_nobody import gateway_beside_nobody
from tests.benchmarks.hostile import OF_EACH, hostile_clients
from tests.benchmarks.memory import Peak
from tests.benchmarks.on_disk import folder_on_disk
from tests.benchmarks.patient import patient_clients
from tests.benchmarks.row import Row, at_most
from tests.servers.gateway import Gateway
from tests.servers.rabbitmq import running_rabbitmq

ROUNDS = 5
TURN_S = 12
"""Longer than a sender may be silent: stalled bodies are refused in it, and come again."""
MOST_DELAY = 2
MOST_MB_EACH = 0.8
"""For a body that is being received, as docs/TROUBLESHOOTING.md has it ("Out of memory")."""


async def run() -> list[Row]:
    with folder_on_disk() as folder:
        async with (
            running_rabbitmq(folder / "rabbitmq") as node,
            gateway_beside_nobody(folder, node) as gateway,
        ):
            return await rows(gateway)


async def rows(gateway: Gateway) -> list[Row]:
    body = batch_of_one()
    beside, alone, growth_mb = [], [], []
    await patient_clients(gateway.port, body, TURN_S)
    for _ in range(ROUNDS):
        alone.append(await patient_clients(gateway.port, body, TURN_S))
        peak = Peak.since_now(gateway.process.pid)
        async with hostile_clients(gateway.port):
            beside.append(await patient_clients(gateway.port, body, TURN_S))
        growth_mb.append(peak.growth_mb)
    return [
        delay_row("POST", [seen.posts_s for seen in beside], [seen.posts_s for seen in alone]),
        delay_row("status", [seen.questions_s for seen in beside], [seen.questions_s for seen in alone]),
        Row(
            name="memory growth beside 200 hostile clients",
            value=max(growth_mb),
            unit="MB of RSS",
            goal=at_most(OF_EACH * MOST_MB_EACH),
        ),
    ]


def delay_row(what: str, beside: list[list[float]], alone: list[list[float]]) -> Row:
    return Row(
        name=f"{what} beside 200 hostile clients, p99",
        value=1000 * statistics.median(map(p99, beside)),
        unit="ms",
        reference=1000 * statistics.median(map(p99, alone)),
        compared_with="the same clients without them",
        goal=at_most(MOST_DELAY),
    )
