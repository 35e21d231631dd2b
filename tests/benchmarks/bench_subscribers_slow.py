"""Subscribers who do not read, beside those who do; and a burst that all of them are to get in full."""

from functools import partial
from typing import Final

from tests.benchmarks.fan_out_servers import serve_gateway
from tests.benchmarks.followed import Followed, followed
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Row, at_most

SUBSCRIBERS: Final = 1000
SLOW: Final = 10
RECEIVE_BUFFER: Final = 4096
"""Of those who do not read, so that what they do not take stays with the gateway."""
BEFORE: Final = 400
"""Changes that fill whatever holds what is not taken."""
CHANGES: Final = 30
EVERY_S: Final = 0.06
ROUNDS: Final = 7

RESULTS: Final = 2000
IN_ONE_COMMIT: Final = 20
ENDED: Final = 1000


async def run() -> list[Row]:
    with followed(serve_gateway, opening=1) as gateway:
        return [await beside_the_slow(gateway), *burst(gateway)]


async def beside_the_slow(gateway: Followed) -> Row:
    """The slowest hundredth of arrivals at those who read, with and without others who do not."""
    with_slow, without = await interleaved(
        partial(p99_ms, gateway, SLOW), partial(p99_ms, gateway, 0), rounds=ROUNDS
    )
    return Row(
        name="commit to arrival, 1 % not reading, p99",
        value=with_slow,
        unit="ms",
        reference=without,
        compared_with="the same when everybody reads",
        goal=at_most(1.1),
    )


async def p99_ms(gateway: Followed, slow: int) -> float:
    gateway.crowd.ask("leave_idlers")
    gateway.follow(SUBSCRIBERS - slow, images=BEFORE + CHANGES + 1)
    gateway.stall(slow, RECEIVE_BUFFER)
    gateway.burst(BEFORE, IN_ONE_COMMIT)
    return gateway.delays(CHANGES, EVERY_S).percentile_ms(99)


def burst(gateway: Followed) -> list[Row]:
    """All results of a large job at once, to subscribers who read."""
    gateway.crowd.ask("leave_idlers")
    gateway.follow(SUBSCRIBERS, images=RESULTS)
    gateway.crowd.ask("keep_finals")
    gateway.crowd.tell("expect_end")
    gateway.server.ask("burst", RESULTS, IN_ONE_COMMIT)
    codes = gateway.crowd.answer()
    seen = gateway.crowd.ask("finals")
    return [
        Row(
            name="2,000 results at once to 1,000: cut off",
            value=SUBSCRIBERS - codes.get(ENDED, 0),
            unit="subscribers",
            goal=at_most(0),
        ),
        Row(
            name="2,000 results at once to 1,000: not delivered",
            value=RESULTS * SUBSCRIBERS - sum(seen),
            unit="final states",
            goal=at_most(0),
        ),
    ]
