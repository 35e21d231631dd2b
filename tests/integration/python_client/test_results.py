"""The Python client reads results as lines, and waits for a job over HTTP, from a gateway that follows a script."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from gateway.client import GatewayClient, Image, Refused, Unreachable
from gateway.client.polling import WAIT_S
from tests.client_calls import DEADLINE_S, SOON_S, Waits, all_of
from tests.servers.scripted_gateway import (
    JOB_ID,
    Cut,
    Refuse,
    Step,
    a_status,
    an_image,
)


def line(event_id: str, index: int) -> Step:
    return {"id": event_id, **an_image(index)}


async def indices_of(images: AsyncGenerator[Image, None]) -> list[int]:
    return [image.index for image in await all_of(images)]


class TestResults:
    async def test_images_come_in_the_order_of_their_ends(self, gateway, client):
        gateway.plays([line("e:2", 1), line("e:4", 0)])
        images = await all_of(client.results(JOB_ID))
        assert [(image.id, image.index, image.status) for image in images] == [
            ("e:2", 1, "completed"),
            ("e:4", 0, "completed"),
        ]
        assert gateway.queries == [{}]

    async def test_a_lost_answer_is_gone_on_with_behind_the_last_whole_line(self, gateway, client):
        broken = json.dumps(line("e:3", 1))[:30]
        gateway.plays([line("e:2", 0), broken, Cut()], [line("e:3", 1)])
        assert await indices_of(client.results(JOB_ID, "e:1")) == [0, 1]
        assert gateway.positions == ["e:1", "e:2"]

    async def test_blank_lines_and_lines_in_pieces_are_no_hindrance(self, gateway, client):
        text = json.dumps(line("e:2", 0)) + "\r\n"
        gateway.plays(["\n", text[:10], text[10:], "\n\n", line("e:3", 1)])
        assert await indices_of(client.results(JOB_ID)) == [0, 1]

    async def test_no_image_comes_twice_where_it_has_to_begin_anew(self, gateway, client):
        gateway.plays([line("e:2", 0), Cut()], [line("f:1", 2), line("f:2", 0), line("f:3", 1)])
        assert await indices_of(client.results(JOB_ID)) == [0, 2, 1]

    async def test_a_gateway_that_is_busy_is_asked_again(self, gateway, client):
        gateway.plays([Refuse(503, {"Retry-After": "0"})], [line("e:1", 0)])
        waits = Waits()
        assert await indices_of(client.results(JOB_ID, on_wait=waits)) == [0]
        assert [type(reason) for reason in waits.reasons] == [Refused]

    async def test_a_gateway_that_answers_and_has_nothing_to_tell_is_not_given_up(self, gateway):
        never = asyncio.Event()
        gateway.plays([never], [never], [never], [line("e:1", 0)])
        waits = Waits()
        async with GatewayClient(gateway.base_url, patience_s=0.1, silence_s=1.0) as client:
            assert await indices_of(client.results(JOB_ID, follow=True, on_wait=waits)) == [0]
        assert [type(reason) for reason in waits.reasons] == [Unreachable] * 3


class TestLongPoll:
    async def test_a_status_waits_for_news_behind_an_event(self, gateway, client):
        gateway.status_answers = [a_status("e:4", ended=1)]
        job = await client.status(JOB_ID, wait_s=10, after="e:3")
        assert (job.id, job.completed) == ("e:4", 1)
        assert gateway.status_queries == [{"wait": "10", "after": "e:3"}]

    async def test_a_status_that_does_not_wait_asks_for_nothing_special(self, gateway, client):
        gateway.status_answers = [a_status("e:4", ended=1)]
        await client.status(JOB_ID)
        assert gateway.status_queries == [{}]

    async def test_a_job_is_waited_for_until_it_has_ended(self, gateway, client):
        gateway.status_answers = [a_status("e:1", 0), a_status("e:3", 2), a_status("e:5", 3)]
        async with asyncio.timeout(DEADLINE_S):
            assert (await client.wait(JOB_ID)).is_final
        assert gateway.status_queries == [
            {},
            {"wait": f"{WAIT_S}", "after": "e:1"},
            {"wait": f"{WAIT_S}", "after": "e:3"},
        ]

    async def test_an_older_gateway_is_asked_now_and_then(self, gateway, client):
        gateway.status_answers = [a_status(None, 0), a_status(None, 3)]
        async with asyncio.timeout(DEADLINE_S):
            assert (await client.wait(JOB_ID)).is_final
        assert gateway.status_queries == [{}, {}]

    async def test_one_that_does_not_wait_is_not_asked_without_end(self, gateway, client):
        gateway.status_answers = [a_status(None, 0), a_status(None, 1), a_status(None, 2), a_status(None, 3)]
        began_at = asyncio.get_running_loop().time()
        async with asyncio.timeout(SOON_S):
            await client.wait(JOB_ID)
        assert asyncio.get_running_loop().time() - began_at >= 1

    async def test_a_gateway_that_says_nothing_when_the_wait_is_over_counts_as_away(self, gateway):
        gateway.status_answers = [asyncio.Event()]
        async with asyncio.timeout(SOON_S), GatewayClient(gateway.base_url, silence_s=0.2) as client:
            with pytest.raises(Unreachable):
                await client.status(JOB_ID, wait_s=1, after="e:1")
