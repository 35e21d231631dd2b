"""Reads server-sent events, as the HTML standard has them (9.2.6), from the pieces of an answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from attrs import frozen

from gateway.client.lines import lines


@frozen
class Block:
    """What stands between two empty lines: data, if it is an event, and whether a time to come back after is in it."""

    data: bytes
    has_retry: bool


async def blocks(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[Block, None]:
    """Whole ones; what the end of the answer cuts off is none. Comments and fields of no use here are passed over."""
    data: list[bytes] = []
    has_retry = False
    async with aclosing(pieces), aclosing(lines(pieces)) as told:
        async for ended in told:
            line = ended.removesuffix(b"\r")
            name, _, value = line.partition(b":")
            if not line:
                yield Block(b"\n".join(data), has_retry)
                data, has_retry = [], False
            elif name == b"data":
                data.append(value.removeprefix(b" "))
            elif name == b"retry":
                has_retry = True
