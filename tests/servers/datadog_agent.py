"""A Datadog agent: a UDP socket that keeps the lines of DogStatsD that come.

It shares no code with the gateway or with Datadog's library.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from attrs import define, field, frozen

HOST = "127.0.0.1"
WAIT_S = 30

_METRIC = re.compile(r"(?P<name>[^:|]+):(?P<value>[^|]+)\|(?P<kind>[a-z]+)(?P<rest>.*)")
_EVENT = re.compile(r"_e\{\d+,\d+\}:(?P<title>[^|]*)\|(?P<text>[^|]*)(?P<rest>.*)")


@frozen
class Line:
    """A metric (kind c, g or h), or an event (kind e: its title is the name, its text the value)."""

    name: str
    value: str
    kind: str
    tags: tuple[str, ...]
    """Sorted."""


@define(eq=False)
class DatadogAgent(asyncio.DatagramProtocol):
    port: int = 0
    lines: list[Line] = field(factory=list)
    _bell: asyncio.Event = field(factory=asyncio.Event)

    def datagram_received(self, data: bytes, _address: object) -> None:
        self.lines += [_parsed(line) for line in data.decode().splitlines() if line]
        self._bell.set()

    async def wait_for(self, is_there: Callable[[Line], bool]) -> Line:
        """The first line of that kind, once it has come."""
        async with asyncio.timeout(WAIT_S):
            while (found := next(filter(is_there, self.lines), None)) is None:
                self._bell.clear()
                await self._bell.wait()
        return found

    def total(self, name: str, *tags: str) -> float:
        """What a counter's lines add up to."""
        counts = (line for line in self.lines if line.name == name and line.kind == "c")
        return sum(float(line.value) for line in counts if set(tags) <= set(line.tags))


def _parsed(line: str) -> Line:
    if event := _EVENT.fullmatch(line):
        return Line(event["title"], event["text"], "e", _tags(event["rest"]))
    metric = _METRIC.fullmatch(line)
    assert metric is not None, f"no line of DogStatsD: {line}"
    return Line(metric["name"], metric["value"], metric["kind"], _tags(metric["rest"]))


def _tags(rest: str) -> tuple[str, ...]:
    tags = next((part[1:] for part in rest.split("|") if part.startswith("#")), "")
    return tuple(sorted(tags.split(","))) if tags else ()


@asynccontextmanager
async def running_agent() -> AsyncIterator[DatadogAgent]:
    loop = asyncio.get_running_loop()
    transport, agent = await loop.create_datagram_endpoint(DatadogAgent, local_addr=(HOST, 0))
    agent.port = transport.get_extra_info("sockname")[1]
    try:
        yield agent
    finally:
        transport.close()
