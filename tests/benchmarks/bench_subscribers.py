"""P7: what five thousand idle WebSockets cost a gateway, in memory, and in time by their signs of life.

The subscribers answer pings, as every client does, in a process of their own.
"""

import time
from pathlib import Path
from typing import Final

from gateway.events.settings import LONGEST_HEARTBEAT_S
from tests.benchmarks.fan_out_servers import serve_gateway
from tests.benchmarks.followed import followed
from tests.benchmarks.row import Row, at_most

SUBSCRIBERS: Final = 5000
FIRST: Final = 200
"""They come and go first, so that what is made once is there."""
WATCHED_S: Final = 2 * LONGEST_HEARTBEAT_S


def run() -> list[Row]:
    with followed(serve_gateway, opening=1) as gateway:
        gateway.follow(FIRST, images=1)
        gateway.crowd.ask("leave")
        before = pss_kb(gateway.server.pid)
        gateway.follow(SUBSCRIBERS, images=1)
        each_kb = (pss_kb(gateway.server.pid) - before) / SUBSCRIBERS
        started, used = time.monotonic(), gateway.cpu_s()
        time.sleep(WATCHED_S)
        share = (gateway.cpu_s() - used) / (time.monotonic() - started)
    return [
        Row(name="an idle WebSocket", value=each_kb, unit="KB of PSS", goal=at_most(16)),
        Row(name="5,000 idle WebSockets", value=share * 100, unit="% of a core", goal=at_most(2)),
    ]


def pss_kb(pid: int) -> int:
    """Proportional set size: shared pages are shared out."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
