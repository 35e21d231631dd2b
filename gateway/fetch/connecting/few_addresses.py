"""How many of a name's addresses are tried.

Whose name it is says how many there are: thousands fit in one answer. The HTTP client tries them all, and all but the
first again for each that fails, which takes the event loop for seconds where all are refused without a wait.
"""

import socket
from collections import Counter
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import frozen

MOST: Final = 8
"""Of each version, so that those of one don't hide the other's where only that one leads anywhere."""


@frozen
class FewAddresses(AbstractResolver):
    """The first addresses of those that another resolver finds, which its owner closes."""

    _resolver: AbstractResolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        counts = Counter[int]()
        few = list[ResolveResult]()
        for result in await self._resolver.resolve(host, port, family):
            if counts[result["family"]] < MOST:
                counts[result["family"]] += 1
                few.append(result)
        return few

    async def close(self) -> None:
        """Nothing of its own."""
