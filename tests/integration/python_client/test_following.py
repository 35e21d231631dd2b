"""The Python client follows a job of a gateway that does, frame by frame, what a test says."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

import pytest

from gateway.client import (
    FROM_THE_START,
    ClientError,
    Closed,
    Event,
    GatewayClient,
    Image,
    NoGateway,
    Refused,
    Unreachable,
)
from gateway.client.http import AT_ONCE
from tests.client_calls import DEADLINE_S, SOON_S, Waits, all_of
from tests.patience import PATIENCE_S
from tests.servers.scripted_gateway import (
    JOB_ID,
    Close,
    Cut,
    Hang,
    Refuse,
    a_status,
    an_image,
    image_complete,
    job_complete,
    opening,
    progress,
)

ENDED = [opening("e:9", 3), job_complete("e:9"), Close(1000)]
FROM_ITS_START = [opening("e:0", resumed=True), job_complete("e:9"), Close(1000)]


async def ids_of(events: AsyncGenerator[Event, None]) -> list[str]:
    return [event.id for event in await all_of(events)]


async def reason_to_wait(client: GatewayClient) -> ClientError:
    """The first one of somebody who follows, and then leaves."""
    waits = Waits()
    following = asyncio.create_task(ids_of(client.follow(JOB_ID, on_wait=waits)))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await waits.some.wait()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return waits.reasons[0]


class TestCloseCodes:
    @pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 3000, 4000, 4001, 4499])
    async def test_after_these_a_client_comes_back(self, gateway, client, code):
        gateway.plays([opening("e:1"), Close(code)])
        reason = await reason_to_wait(client)
        assert isinstance(reason, Closed)
        assert reason.code == code

    @pytest.mark.parametrize(("end", "code"), [(Cut(), 1006), (Close(None), 1005)], ids=["cut", "no code"])
    async def test_so_it_does_after_a_connection_that_ends_without_a_code(self, gateway, client, end, code):
        gateway.plays([opening("e:1"), end])
        reason = await reason_to_wait(client)
        assert isinstance(reason, Closed)
        assert reason.code == code

    @pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1009, 1010, 4501, 4999])
    async def test_after_these_it_stays_away_and_says_so(self, gateway, client, code):
        gateway.plays([opening("e:1"), Close(code)], ENDED)
        with pytest.raises(Closed) as closed:
            await ids_of(client.follow(JOB_ID))
        assert (closed.value.code, len(gateway.queries)) == (code, 1)

    async def test_a_job_that_is_deleted_meanwhile_is_not_there(self, gateway, client):
        gateway.plays([opening("e:1"), Close(4500)], ENDED)
        with pytest.raises(Refused, match="There is no job j") as refused:
            await ids_of(client.follow(JOB_ID))
        assert (refused.value.status, refused.value.code, len(gateway.queries)) == (404, "job_not_found", 1)

    @pytest.mark.parametrize("end", [Close(1001), Close(1011), Close(1012), Close(4000), Close(4001), Cut()])
    async def test_it_goes_on_where_it_stopped(self, gateway, client, end):
        gateway.plays(
            [opening("e:1"), image_complete("e:2", 0), end],
            [opening("e:2", 1, resumed=True), image_complete("e:3", 1), job_complete("e:4"), Close(1000)],
        )
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2", "e:3", "e:4"]
        assert gateway.positions == [None, "e:2"]

    async def test_a_gateway_that_stops_is_come_back_to_within_the_time_that_a_caller_names(self, gateway):
        """Ten times over: in the time that is usual it would take 25 s, give or take 5."""
        stops = [[image_complete(f"e:{number}", number, 0), Close(1012)] for number in range(10)]
        gateway.plays(*stops, [job_complete("e:10"), Close(1000)])
        async with asyncio.timeout(PATIENCE_S), GatewayClient(gateway.base_url, spread_s=0) as client:
            assert len(await ids_of(client.follow(JOB_ID, FROM_THE_START))) == 11

    async def test_it_leaves_after_the_last_event_whatever_follows(self, gateway, client):
        gateway.plays([opening("e:1"), job_complete("e:2"), Hang()])
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2"]


class TestRefusals:
    @pytest.mark.parametrize("status", [429, 503])
    async def test_a_time_that_a_refusal_names_is_waited_for(self, gateway, client, status):
        gateway.plays([Refuse(status, {"Retry-After": "1"}, "busy")], ENDED)
        waits, began_at = Waits(), asyncio.get_running_loop().time()
        await ids_of(client.follow(JOB_ID, on_wait=waits))
        (reason,) = waits.reasons
        assert isinstance(reason, Refused)
        assert (reason.status, reason.retry_after_s) == (status, 1)
        assert asyncio.get_running_loop().time() - began_at >= 1

    @pytest.mark.parametrize("status", [502, 504])
    async def test_a_proxy_before_a_gateway_that_is_away_is_asked_again(self, gateway, client, status):
        gateway.plays([Refuse(status)], [Refuse(status)], ENDED)
        assert await ids_of(client.follow(JOB_ID)) == ["e:9", "e:9"]

    async def test_but_not_for_ever(self, gateway):
        gateway.plays(*[[Refuse(502)]] * 100)
        async with asyncio.timeout(SOON_S), GatewayClient(gateway.base_url, patience_s=0.2) as client:
            with pytest.raises(Refused) as refused:
                await ids_of(client.follow(JOB_ID))
        assert refused.value.status == 502

    @pytest.mark.parametrize("status", [404, 405, 501])
    async def test_what_answers_in_the_place_of_a_gateway_that_was_there_is_asked_again(
        self, gateway, client, status
    ):
        """As a proxy does that knows of no gateway while it starts again."""
        gateway.plays([opening("e:1"), Cut()], *[[Refuse(status)]] * 2, [job_complete("e:2"), Close(1000)])
        waits = Waits()
        assert await ids_of(client.follow(JOB_ID, on_wait=waits)) == ["e:1", "e:2"]
        assert [type(reason) for reason in waits.reasons] == [Closed, Unreachable, Unreachable]

    async def test_where_none_ever_was_it_is_final(self, gateway, client):
        gateway.plays([Refuse(404)], ENDED)
        waits = Waits()
        with pytest.raises(NoGateway, match="but another server: HTTP status 404"):
            await ids_of(client.follow(JOB_ID, on_wait=waits))
        assert waits.reasons == []

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 426, 500])
    async def test_any_other_refusal_of_a_gateway_is_final_and_told_in_its_words(
        self, gateway, client, status
    ):
        gateway.plays([Refuse(status, code="no")], ENDED)
        with pytest.raises(
            Refused, match=r"There is no job j\." if status == 404 else r"It is no\."
        ) as refused:
            await ids_of(client.follow(JOB_ID))
        assert (refused.value.status, len(gateway.queries)) == (status, 1)

    @pytest.mark.parametrize("status", [400, 401, 403, 500])
    async def test_so_is_that_of_a_proxy_which_lets_nothing_pass(self, gateway, client, status):
        gateway.plays([Refuse(status)], ENDED)
        with pytest.raises(Refused, match="a proxy before the gateway") as refused:
            await ids_of(client.follow(JOB_ID))
        assert (refused.value.status, len(gateway.queries)) == (status, 1)

    async def test_one_to_say_that_nothing_is_there_means_the_job(self, gateway, client):
        gateway.plays([Refuse(404, code="job_not_found")])
        with pytest.raises(Refused, match="There is no job j") as refused:
            await ids_of(client.follow(JOB_ID))
        assert refused.value.code == "job_not_found"


class TestHeartbeats:
    async def test_repeats_are_not_told(self, gateway, client):
        heartbeat = progress("e:2", 1)
        gateway.plays(
            [opening("e:1"), image_complete("e:2", 0), heartbeat, heartbeat, job_complete("e:3"), Close(1000)]
        )
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2", "e:3"]

    async def test_a_connection_without_heartbeats_is_dead(self, gateway, client):
        """The gateway's end of it is alive, and answers pings: but what it says does not come."""
        gateway.plays([opening("e:1", heartbeat_s=0.1), Hang()], ENDED)
        waits = Waits()
        async with asyncio.timeout(SOON_S):
            assert await ids_of(client.follow(JOB_ID, on_wait=waits)) == ["e:1", "e:9", "e:9"]
        assert [type(reason) for reason in waits.reasons] == [Unreachable]
        assert "has said nothing" in str(waits.reasons[0])
        assert gateway.positions == [None, "e:1"]

    async def test_one_with_heartbeats_is_alive_for_as_long_as_nothing_happens(self, gateway, client):
        beats = [asyncio.Event() for _ in range(4)]
        heartbeats = [step for beat in beats for step in (beat, progress("e:1"))]
        gateway.plays([opening("e:1", heartbeat_s=2), *heartbeats, job_complete("e:2"), Close(1000)])
        waits = Waits()
        following = asyncio.create_task(ids_of(client.follow(JOB_ID, on_wait=waits)))
        for beat in beats:  # all of them take longer than the silence that is allowed
            await asyncio.sleep(1.4)
            beat.set()
        assert (await following, waits.reasons) == (["e:1", "e:2"], [])

    async def test_an_older_gateway_may_be_silent(self, gateway, client):
        """It names no pace, and the pace of the gateway that was there before is not its own."""
        go_on = asyncio.Event()
        gateway.plays([opening("e:1", heartbeat_s=0.1), Cut()], [go_on, job_complete("e:2"), Close(1000)])
        waits = Waits()
        following = asyncio.create_task(ids_of(client.follow(JOB_ID, on_wait=waits)))
        await waits.some.wait()
        await asyncio.sleep(0.8)
        go_on.set()
        assert await following == ["e:1", "e:2"]
        assert len(waits.reasons) == 1


class TestBeginningAnew:
    """The log of the gateway has other ids than before."""

    async def test_the_caller_is_told_and_gets_the_whole_state(self, gateway, client):
        images = [an_image(0), an_image(1), an_image(2, "pending")]
        gateway.plays(
            [opening("e:1", images=[an_image(0, "pending")]), image_complete("e:2", 0), Cut()],
            [opening("f:7", 2, images=images), image_complete("f:8", 2), job_complete("f:9"), Close(1000)],
        )
        events = await all_of(client.follow(JOB_ID, images=True))
        assert [(event.id, event.resumed) for event in events] == [
            ("e:1", False),
            ("e:2", None),
            ("f:7", False),
            ("f:8", None),
            ("f:9", None),
        ]
        assert [image.status for image in events[2].images] == ["completed", "completed", "pending"]
        assert gateway.queries == [{"images": "true"}, {"after": "e:2", "images": "true"}]

    async def test_no_end_is_told_twice_and_no_older_state_is_told(self, gateway, client):
        gateway.plays(
            [opening("e:1"), image_complete("e:2", 0), image_complete("e:3", 1), Cut()],
            [
                opening("f:1", 0),
                image_complete("f:2", 1, 1),
                image_complete("f:3", 2, 2),
                job_complete("f:4"),
            ],
        )
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2", "e:3", "f:3", "f:4"]

    async def test_it_comes_back_behind_the_last_event_of_the_new_log(self, gateway, client):
        gateway.plays([opening("e:5", 2), Cut()], [opening("f:1", 0), Cut()], ENDED)
        await ids_of(client.follow(JOB_ID))
        assert gateway.positions == [None, "e:5", "f:1"]


class TestGoingOn:
    async def test_a_caller_who_names_an_event_is_told_that_it_goes_on(self, gateway, client):
        gateway.plays([opening("e:4", 1, resumed=True), job_complete("e:5"), Close(1000)])
        events = await all_of(client.follow(JOB_ID, "e:4"))
        assert [(event.id, event.resumed) for event in events] == [("e:4", True), ("e:5", None)]

    async def test_frames_that_nobody_knows_are_passed_over(self, gateway, client):
        later = {"type": "of a newer gateway", "id": "e:2"}
        gateway.plays([opening("e:1"), later, "no JSON", "[]", job_complete("e:3"), Close(1000)])
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:3"]

    async def test_so_is_a_binary_message(self, gateway, client):
        gateway.plays([opening("e:1"), b'{"type": "progress"}', job_complete("e:2"), Close(1000)])
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2"]

    async def test_a_state_may_be_of_any_size(self, gateway, client):
        """That of a large batch with all its images is more than libraries take by themselves (4 MiB)."""
        large = {**an_image(0), "error": "x" * (5 << 20)}
        gateway.plays([opening("e:1", images=[large]), job_complete("e:2"), Close(1000)])
        (state, _) = await all_of(client.follow(JOB_ID, images=True))
        assert state.images[0].error == large["error"]

    async def test_who_leaves_early_leaves_the_connection_too(self, gateway, client):
        gateway.plays([opening("e:1"), Hang()])
        async with aclosing(client.follow(JOB_ID)) as events:
            assert (await anext(events)).id == "e:1"
        await gateway.left.wait()

    async def test_who_breaks_out_of_the_loop_leaves_it_too(self, gateway, client):
        gateway.plays([opening("e:1"), Hang()])
        async for _ in client.follow(JOB_ID):
            break
        await gateway.left.wait()

    async def test_a_cancelled_call_is_over_at_once(self, gateway, client):
        gateway.plays([opening("e:1"), Hang()])
        following = asyncio.create_task(ids_of(client.follow(JOB_ID)))
        await gateway.hung.wait()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        await gateway.left.wait()


class TestManyCalls:
    """More of them than a pool of connections holds."""

    async def test_who_follows_keeps_no_question_from_its_answer(self, gateway, client):
        gateway.plays(*[[opening("e:1"), Hang()]] * (AT_ONCE + 1))
        gateway.status_answers = [a_status("e:1", 0)]
        following = [client.follow(JOB_ID) for _ in range(AT_ONCE + 1)]
        await the_first_of_each_and_a_status(client, following)

    async def test_nor_does_who_follows_results_or_asks_for_the_next_news(self, gateway, client):
        is_over = asyncio.Event()
        gateway.plays(*[[{"id": "e:1", **an_image(0)}, is_over]] * AT_ONCE)
        gateway.status_answers = [is_over, a_status("e:1", 0)]
        asking = asyncio.create_task(client.status(JOB_ID, wait_s=60, after="e:1"))
        async with asyncio.timeout(DEADLINE_S):
            while not gateway.status_queries:
                await asyncio.sleep(0.01)
        await the_first_of_each_and_a_status(
            client, [client.results(JOB_ID, follow=True) for _ in range(AT_ONCE)]
        )
        is_over.set()
        await asyncio.gather(asking, return_exceptions=True)


async def the_first_of_each_and_a_status(
    client: GatewayClient, following: Sequence[AsyncGenerator[Event | Image, None]]
) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE_S):
        for each in following:
            await anext(await stack.enter_async_context(aclosing(each)))
        assert (await client.status(JOB_ID)).id == "e:1"


class TestSubmitAndFollow:
    async def test_the_batch_has_the_callers_key_and_wishes(self, gateway, client):
        gateway.plays(FROM_ITS_START)
        submitted, events = await client.submit_and_follow(
            [("a.jpg", b"bytes of a")], {"title": "keep"}, key="of the caller"
        )
        assert (submitted.job_id, await ids_of(events)) == (JOB_ID, ["e:0", "e:9"])
        ((key, body),) = gateway.batches
        assert key == '"of the caller"'
        assert b'{"metadata": {"title": "keep"}}' in body

    async def test_its_whole_log_is_asked_for_and_where_it_is_gone_all_images(self, gateway, client):
        gateway.plays(FROM_ITS_START)
        _, events = await client.submit_and_follow([("a.jpg", b"bytes of a")])
        await ids_of(events)
        assert gateway.queries == [{"after": FROM_THE_START, "images": "true"}]


class TestOlderGateway:
    """It tells neither whether it goes on, nor images, nor the pace of heartbeats."""

    async def test_what_goes_on_is_known_by_its_ids(self, gateway, client):
        gateway.plays(
            [progress("e:1"), image_complete("e:2", 0), Cut()],
            [image_complete("e:3", 1), image_complete("e:4", 2), job_complete("e:5"), Close(1000)],
        )
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2", "e:3", "e:4", "e:5"]

    async def test_the_images_of_a_state_come_from_its_status(self, gateway, client):
        gateway.status_answers = [a_status(None, ended=0), a_status(None, ended=2)]
        gateway.plays(
            [progress("e:1"), image_complete("e:2", 0), Cut()],
            [progress("f:6", 1), image_complete("f:7", 1), image_complete("f:8", 2), job_complete("f:9")],
        )
        events = await all_of(client.follow(JOB_ID, images=True))
        assert [event.id for event in events] == ["e:1", "e:2", "f:6", "f:8", "f:9"]
        assert [image.status for image in events[2].images] == ["completed", "completed", "pending"]
        assert events[2].ended == 2

    async def test_nothing_is_asked_where_it_goes_on(self, gateway, client):
        gateway.plays([image_complete("e:1", 0), Cut()], [job_complete("e:2"), Close(1000)])
        await ids_of(client.follow(JOB_ID, FROM_THE_START, images=True))
        assert gateway.status_queries == []
