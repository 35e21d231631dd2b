"""P5 and P6: what it takes of the processor to tell a thousand subscribers of a job what has changed.

All sides serve in processes of their own and have subscribers of their own, bare sockets in another process. What is
told of was committed before; each turn waits until everybody has it, and the server's CPU time is what counts.
"""

from functools import partial
from typing import Final

from tests.benchmarks.fan_out_servers import serve_gateway, serve_send_str, serve_transports
from tests.benchmarks.followed import Followed, followed
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Row, at_least

SUBSCRIBERS: Final = 1000
ROUNDS: Final = 7

ONE_BY_ONE: Final = "awaiting send_str for one after the other"
TRANSPORTS: Final = "the same bytes by bare uvloop transports"


async def run() -> list[Row]:
    """One update, eight at once, a hundred at once."""
    with (
        followed(serve_gateway, opening=1) as ours,
        followed(serve_send_str) as send_str,
        followed(serve_transports) as transports,
    ):
        return [
            await compared(ours, send_str, 1, 16, "one update to 1,000", ONE_BY_ONE, 1.4),
            await compared(ours, transports, 1, 16, "one update to 1,000", TRANSPORTS, 0.9),
            await compared(ours, send_str, 8, 6, "8 updates at once to 1,000", ONE_BY_ONE, 6.0),
            await compared(ours, transports, 100, 2, "100 updates at once to 1,000", TRANSPORTS, 0.9),
        ]


async def compared(
    ours: Followed, reference: Followed, updates: int, times: int, name: str, compared_with: str, bound: float
) -> Row:
    own, other = await interleaved(
        partial(measured, ours, updates, times), partial(measured, reference, updates, times), rounds=ROUNDS
    )
    return Row(
        name=name,
        value=own,
        unit="updates to one, per CPU second",
        reference=other,
        compared_with=compared_with,
        goal=at_least(bound),
    )


async def measured(side: Followed, updates: int, times: int) -> float:
    """Updates that reach one subscriber in a second of the server's CPU time. Of a job that has not many images."""
    side.follow(SUBSCRIBERS, images=updates * (times + 1) + 1)
    side.server.ask("prepare", updates * (times + 1))
    side.tell(updates, 1)
    before = side.cpu_s()
    side.tell(updates, times)
    return SUBSCRIBERS * updates * times / (side.cpu_s() - before)
