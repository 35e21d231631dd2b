"""Ordinary clients in a process of their own: each posts a small batch, asks how it stands, and thinks for a moment.

    python -m tests.benchmarks.patient PORT SECONDS  <body

Prints one JSON object: the seconds that each POST and each question took, and how many answers there were of each
status.
"""

import asyncio
import json
import sys
import time
from collections import Counter

import aiohttp
import uvloop
from attrs import asdict, define, field

from tests.benchmarks.apart import told_by
from tests.benchmarks.posting import HOST

CLIENTS = 8
THINKING_S = 0.05
PATH = "/api/v1/batch"


@define
class Seen:
    """By all of them. `statuses` are of POSTs and questions together."""

    posts_s: list[float] = field(factory=list)
    questions_s: list[float] = field(factory=list)
    statuses: Counter[int] = field(factory=Counter)


async def patient_clients(port: int, body: bytes, seconds: float) -> Seen:
    """What they saw in so many seconds. Raises RuntimeError if anything was refused."""
    seen = await told_by("patient", port, seconds, body=body)
    if set(seen["statuses"]) != {"200", "201"}:
        raise RuntimeError(f"not all were answered: {seen['statuses']}")
    return Seen(seen["posts_s"], seen["questions_s"])


async def keep_on(http: aiohttp.ClientSession, body: bytes, until: float, seen: Seen) -> None:
    headers = {"Content-Type": "application/json"}
    while time.perf_counter() < until:
        begun = time.perf_counter()
        async with http.post(PATH, data=body, headers=headers) as answer:
            seen.statuses[answer.status] += 1
            job_id = (await answer.json(content_type=None)).get("job_id", "")
        posted = time.perf_counter()
        async with http.get(f"{PATH}/{job_id}") as answer:
            seen.statuses[answer.status] += 1
            await answer.read()
        seen.posts_s.append(posted - begun)
        seen.questions_s.append(time.perf_counter() - posted)
        await asyncio.sleep(THINKING_S)


async def all_of_them(port: int, body: bytes, seconds: float) -> Seen:
    seen, until = Seen(), time.perf_counter() + seconds
    async with aiohttp.ClientSession(f"http://{HOST}:{port}") as http:
        await asyncio.gather(*(keep_on(http, body, until, seen) for _ in range(CLIENTS)))
    return seen


if __name__ == "__main__":
    print(
        json.dumps(
            asdict(uvloop.run(all_of_them(int(sys.argv[1]), sys.stdin.buffer.read(), float(sys.argv[2]))))
        )
    )
