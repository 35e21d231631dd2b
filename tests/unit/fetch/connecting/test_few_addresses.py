"""How many of a name's addresses are tried."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.fetch.connecting.few_addresses import MOST, FewAddresses

V4 = [f"192.0.2.{number}" for number in range(20)]
V6 = [f"2001:db8::{number}" for number in range(20)]


class Found(AbstractResolver):
    """Finds these addresses of every name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def few_of(*addresses: str) -> list[str]:
    found = await FewAddresses(Found(*addresses)).resolve("name.test", 80, socket.AF_UNSPEC)
    return [result["host"] for result in found]


async def test_few_addresses_are_all_tried_in_their_order() -> None:
    assert await few_of(V6[1], V4[0], V6[0], V4[1]) == [V6[1], V4[0], V6[0], V4[1]]


async def test_of_many_addresses_the_first_of_each_version_are_tried() -> None:
    assert await few_of(*V6, *V4) == V6[:MOST] + V4[:MOST]


async def test_a_name_without_addresses_has_none() -> None:
    assert await few_of() == []
