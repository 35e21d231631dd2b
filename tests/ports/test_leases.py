"""The suite of the port Leases."""

import asyncio

from tests.builders import NOW
from tests.ports.job_stores import SECOND, Store

SOON = NOW + 10 * SECOND
LATER = NOW + 20 * SECOND


async def test_one_holds_it_and_another_does_not(store: Store):
    assert await store.acquire_lease("sweep", holder="a", now=NOW, until=SOON)
    assert not await store.acquire_lease("sweep", holder="b", now=NOW + SECOND, until=LATER)


async def test_of_many_who_ask_at_once_one_gets_it(store: Store):
    got = await asyncio.gather(
        *(store.acquire_lease("sweep", holder=str(number), now=NOW, until=SOON) for number in range(20))
    )
    assert got.count(True) == 1


async def test_who_holds_it_can_hold_it_longer(store: Store):
    await store.acquire_lease("sweep", holder="a", now=NOW, until=SOON)
    assert await store.acquire_lease("sweep", holder="a", now=NOW + SECOND, until=LATER)
    assert not await store.acquire_lease("sweep", holder="b", now=SOON + SECOND, until=LATER)


async def test_when_its_time_is_over_another_can_have_it(store: Store):
    """Its holder may be dead."""
    await store.acquire_lease("sweep", holder="a", now=NOW, until=SOON)
    assert await store.acquire_lease("sweep", holder="b", now=SOON, until=LATER)
    assert not await store.acquire_lease("sweep", holder="a", now=SOON, until=LATER)


async def test_one_that_was_released_is_free(store: Store):
    await store.acquire_lease("sweep", holder="a", now=NOW, until=SOON)
    await store.release_lease("sweep", holder="a")
    assert await store.acquire_lease("sweep", holder="b", now=NOW, until=SOON)


async def test_nobody_releases_anothers(store: Store):
    await store.acquire_lease("sweep", holder="a", now=NOW, until=SOON)
    await store.release_lease("sweep", holder="b")
    await store.release_lease("nobody's", holder="b")
    assert not await store.acquire_lease("sweep", holder="b", now=NOW, until=SOON)


async def test_leases_of_other_names_are_others(store: Store):
    await store.acquire_lease("sweep", holder="a", now=NOW, until=SOON)
    assert await store.acquire_lease("clean", holder="b", now=NOW, until=SOON)
