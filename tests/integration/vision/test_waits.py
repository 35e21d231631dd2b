"""What images wait for before the vision provider asks: a server's Retry-After, and the bounds of many."""

import asyncio

import pytest

from tests.clocks import HandClock
from tests.integration.vision.photographer import CAT, OF_CAT
from tests.patience import PATIENCE_S
from tests.servers.chat_completions import silence, status, when

pytestmark = pytest.mark.asyncio(loop_scope="module")


# Retry-After


async def test_retry_after_is_waited_for(asking):
    clock = HandClock()
    begun = clock.monotonic()
    async with asking(status(429, {"Retry-After": "30"}), CAT, clock=clock) as (photographer, _):
        await photographer.words()
    assert clock.monotonic() - begun >= 30


async def test_retry_after_may_be_a_date(asking):
    clock = HandClock()
    begun = clock.monotonic()
    headers = {"Date": "Sat, 28 Nov 2026 12:00:00 GMT", "Retry-After": "Sat, 28 Nov 2026 12:00:40 GMT"}
    async with asking(status(503, headers), CAT, clock=clock) as (photographer, _):
        await photographer.words()
    assert clock.monotonic() - begun >= 40


async def test_a_wait_that_is_longer_than_the_image_has_ends_it_at_once(asking):
    clock = HandClock()
    begun = clock.monotonic()
    async with asking(status(429, {"Retry-After": "3600"}), clock=clock) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked), clock.monotonic()) == ("analysis_unavailable", 1, begun)
    assert "3600 s" in failure.text


async def test_the_wait_holds_for_all_images(asking):
    async with asking(status(429, {"Retry-After": "3600"}), CAT) as (photographer, server):
        await photographer.failure()
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_unavailable", 1)


async def test_after_the_wait_images_are_described_again(asking):
    clock = HandClock()
    async with asking(status(429, {"Retry-After": "3600"}), CAT, clock=clock) as (photographer, _):
        await photographer.failure()
        clock.turn(3600)
        assert await photographer.words() == OF_CAT


# many images


async def test_no_more_requests_run_at_once_than_allowed(asking):
    go_on = asyncio.Event()
    async with asking(when(go_on, CAT), max_in_flight=2) as (photographer, server):
        images = [asyncio.create_task(photographer.words()) for _ in range(6)]
        async with asyncio.timeout(PATIENCE_S):
            while server.at_once < 2:
                await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(*images)
    assert (server.most_at_once, len(server.asked)) == (2, 6)


async def test_no_more_requests_begin_in_a_minute_than_allowed(asking):
    clock = HandClock()
    begun = clock.monotonic()
    async with asking(CAT, max_per_minute=2, clock=clock) as (photographer, _):
        for _ in range(5):
            await photographer.words()
    assert clock.monotonic() - begun >= 120


async def test_an_image_that_is_given_up_ends_its_request(asking):
    async with asking(silence(), CAT, max_in_flight=1) as (photographer, server):
        image = asyncio.create_task(photographer.words())
        async with asyncio.timeout(PATIENCE_S):
            while not server.at_once:
                await asyncio.sleep(0.01)
        image.cancel()
        await asyncio.wait([image])
        assert image.cancelled()
        assert await photographer.words() == OF_CAT
