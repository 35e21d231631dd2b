"""The Python client at a gateway some of whose doors are shut, or held back, frame by frame as a test says."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from gateway.client import Closed, Event, GatewayClient, Refused, Unreachable
from gateway.client.live.each_alone import AT_ONCE
from tests.client_calls import DEADLINE_S, SOON_S, Waits, all_of
from tests.servers.scripted_gateway import (
    JOB_ID,
    Close,
    Cut,
    Hang,
    Hear,
    Refuse,
    Scripted,
    a_status,
    an_image,
    image_complete,
    job_complete,
    opening,
    progress,
    subscribed,
)
from tests.servers.web import Request, Site, answer, head, held, raw, web_server

HURRY_S = 1.0
"""To a client in a hurry, a door that tells nothing for so long is shut."""


@pytest.fixture
def gateway(gateway: Scripted) -> Scripted:
    """Before it stands what refuses WebSockets, if a test says so, and lets all else pass."""
    gateway.blocks = True
    return gateway


@pytest.fixture
async def hurried(gateway: Scripted) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(gateway.base_url, silence_s=HURRY_S) as client:
        yield client


async def ids_of(events: AsyncGenerator[Event, None]) -> list[str]:
    return [event.id for event in await all_of(events)]


NO_WEBSOCKET = [Refuse(403)]


class TestServerSentEvents:
    async def test_they_take_the_place_of_a_websocket(self, gateway, client):
        gateway.plays(NO_WEBSOCKET)
        gateway.streams(
            [
                "retry: 2000\n",
                opening("e:1", images=[an_image(0, "pending")]),
                image_complete("e:2", 0),
                job_complete("e:3"),
            ]
        )
        assert await ids_of(client.follow(JOB_ID, "e:0", images=True)) == ["e:1", "e:2", "e:3"]
        assert gateway.stream_queries == [{"after": "e:0", "images": "true"}]

    async def test_they_go_on_where_they_stopped(self, gateway, client):
        gateway.plays(NO_WEBSOCKET)
        gateway.streams(
            [opening("e:1"), image_complete("e:2", 0), Cut()],
            [opening("e:2", 1, resumed=True), image_complete("e:3", 1), job_complete("e:4")],
        )
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2", "e:3", "e:4"]
        assert [query.get("after") for query in gateway.stream_queries] == [None, "e:2"]

    @pytest.mark.parametrize(("farewell", "code"), [([], 1006), (["retry: 700\n\n"], 1001)])
    async def test_an_end_before_that_of_the_job_is_a_lost_connection(self, gateway, client, farewell, code):
        """A gateway that leaves says so by a time to come back after."""
        gateway.plays(NO_WEBSOCKET)
        gateway.streams(["retry: 2000\n", opening("e:1"), *farewell], [job_complete("e:2")])
        waits = Waits()
        assert await ids_of(client.follow(JOB_ID, on_wait=waits)) == ["e:1", "e:2"]
        (reason,) = waits.reasons
        assert isinstance(reason, Closed)
        assert reason.code == code

    async def test_heartbeats_and_what_nobody_knows_are_passed_over(self, gateway, client):
        gateway.plays(NO_WEBSOCKET)
        others = [
            {"type": "heartbeat", "job_id": JOB_ID},
            "data: no JSON\n\n",
            ": a comment\n\n",
            progress("e:1"),
        ]
        gateway.streams([opening("e:1"), *others, job_complete("e:2")])
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2"]


class TestHeldBack:
    """What stands right behind the head of the answer passes, and the rest is gathered."""

    async def test_news_that_the_job_has_and_the_stream_has_not_are_asked_for(self, gateway, hurried):
        gateway.plays(NO_WEBSOCKET)
        gateway.streams([opening("e:1"), Hang()])
        gateway.status_answers = [a_status("e:2", 1), a_status("e:5", 3)]
        ends = [{"id": f"e:{index + 2}", **an_image(index)} for index in range(3)]
        gateway.plays(ends)
        waits = Waits()
        events = await all_of(hurried.follow(JOB_ID, on_wait=waits))
        assert [event.id for event in events] == ["e:1", "e:2", "e:3", "e:4", "e:5"]
        assert [event.image.index for event in events if event.image] == [0, 1, 2]
        assert waits.reasons == []

    async def test_a_quiet_job_is_no_stream_that_is_held_back(self, gateway, hurried):
        """It is asked for until the stream has shown that it comes through."""
        gateway.plays(NO_WEBSOCKET)
        gateway.status_answers = [a_status("e:1", 0)]
        beat, end = asyncio.Event(), asyncio.Event()
        gateway.streams([opening("e:1"), beat, progress("e:1"), end, job_complete("e:2")])
        following = asyncio.create_task(ids_of(hurried.follow(JOB_ID)))
        async with asyncio.timeout(DEADLINE_S):
            while len(gateway.status_queries) < 3:
                await asyncio.sleep(0.01)
        beat.set()
        end.set()
        assert await following == ["e:1", "e:2"]
        assert len(gateway.stream_queries) == 1

    async def test_one_that_comes_through_and_then_misses_its_heartbeats_is_left_without_a_word(
        self, gateway, hurried
    ):
        gateway.plays(NO_WEBSOCKET)
        gateway.streams([opening("e:1", heartbeat_s=0.2), "", progress("e:2"), Hang()])
        gateway.status_answers = [a_status("e:5", 3)]
        gateway.plays([{"id": f"e:{index + 3}", **an_image(index)} for index in range(3)])
        waits = Waits()
        async with asyncio.timeout(DEADLINE_S):
            told = await ids_of(hurried.follow(JOB_ID, on_wait=waits))
        assert (told, waits.reasons) == (["e:1", "e:2", "e:3", "e:4", "e:5", "e:5"], [])


class TestLeaving:
    """Whoever leaves ends the connection, whichever door it is."""

    EVENTS, NEXT_NEWS = "/api/v1/batch/j/events", "/api/v1/batch/j?after=e:1&wait=20"

    @pytest.fixture
    async def site(self) -> AsyncIterator[Site]:
        """It tells how the job stands, and never what is next."""
        status = answer(200, body=json.dumps(a_status("e:1", 0)).encode())
        pages = {
            "/api/v1/batch/j/ws": answer(403),
            "/api/v1/batch/j": status,
            self.EVENTS: an_opening_alone,
            self.NEXT_NEWS: held(asyncio.Event(), status),
        }
        async with web_server(pages) as site:
            yield site

    async def test_by_a_break(self, site):
        async with GatewayClient(site.url("")) as client, asyncio.timeout(SOON_S):
            async for _ in client.follow(JOB_ID):
                break
            await site.closed_by_client.wait()

    @pytest.mark.parametrize("target", [EVENTS, NEXT_NEWS])
    async def test_by_cancelling_the_call(self, site, target):
        if target == self.NEXT_NEWS:
            site.pages[self.EVENTS] = answer(403)
        async with GatewayClient(site.url("")) as client, asyncio.timeout(SOON_S):
            following = asyncio.create_task(all_of(client.follow(JOB_ID)))
            while target not in [request.target for request in site.requests]:
                await asyncio.sleep(0.01)
            following.cancel()
            with pytest.raises(asyncio.CancelledError):
                await following
            await site.closed_by_client.wait()


async def an_opening_alone(_: Request, writer: asyncio.StreamWriter) -> None:
    """And then nothing."""
    state = json.dumps(opening("e:1"))
    writer.write(head(200, {"Content-Type": "text/event-stream"}) + f"data: {state}\n\n".encode())
    await writer.drain()
    await asyncio.Event().wait()


class TestNoDoorAtAll:
    async def test_an_older_gateway_behind_such_a_proxy_is_told_of_by_the_websocket(self, gateway, client):
        """It has neither server-sent events nor positions in its status."""
        gateway.plays(NO_WEBSOCKET)
        gateway.status_answers = [a_status(None, 1)]
        with pytest.raises(Refused, match=r"does not let this pass \(HTTP status 403\)"):
            await ids_of(client.follow(JOB_ID))

    async def test_next_time_the_best_door_is_the_first_one_again(self, gateway, client):
        gateway.plays(NO_WEBSOCKET, [opening("e:1"), job_complete("e:2"), Close(1000)])
        gateway.status_answers = [a_status(None, 1)]
        with pytest.raises(Refused):
            await ids_of(client.follow(JOB_ID))
        assert await ids_of(client.follow(JOB_ID)) == ["e:1", "e:2"]


def ended(job_id: str) -> list[object]:
    return [opening("e:1", job_id=job_id), job_complete("e:2", job_id=job_id)]


class TestManyJobs:
    @pytest.mark.parametrize("refusal", [Refuse(404, code="not_found"), Refuse(426, code="upgrade_required")])
    async def test_where_no_connection_carries_them_all_each_is_followed_by_itself(
        self, gateway, client, refusal
    ):
        gateway.plays([refusal], ended("a"))
        waits = Waits()
        events = await all_of(client.follow_many(["a", "A"], on_wait=waits))
        assert [event.id for event in events] == ["e:1", "e:2"]
        assert (waits.reasons, len(gateway.queries)) == ([], 2)

    async def test_one_failure_is_none_of_the_way_while_http_works(self, gateway, client):
        """As it is when the gateway starts again just then."""
        gateway.plays([Refuse(502)], [Hear(2), *both(), Close(1000)])
        gateway.status_answers = [a_status("e:1", 0)]
        waits = Waits()
        assert len(await all_of(client.follow_many(["a", "b"], on_wait=waits))) == 4
        assert (waits.reasons, len(gateway.heard)) == ([], 1)

    async def test_two_with_an_answer_behind_each_are(self, gateway, client):
        gateway.plays([Refuse(403)], [Refuse(403)], [Refuse(403)])
        gateway.status_answers = [a_status("e:1", 0)]
        gateway.streams(ended("a"))
        waits = Waits()
        assert len(await all_of(client.follow_many(["a"], on_wait=waits))) == 2
        assert (waits.reasons, len(gateway.stream_queries)) == ([], 1)

    async def test_a_gateway_that_is_away_is_waited_for(self, gateway, client):
        gateway.blocks = False
        gateway.plays([Refuse(502)], [Hear(2), *both(), Close(1000)])
        waits = Waits()
        assert len(await all_of(client.follow_many(["a", "b"], on_wait=waits))) == 4
        assert len(waits.reasons) == 1

    async def test_so_is_one_that_drops_whatever_is_asked(self):
        """Nobody goes on to follow each job by itself then."""
        shut = dict.fromkeys(["/api/v1/ws", "/api/v1/batch/a"], raw(b""))
        async with web_server(shut) as site, GatewayClient(site.url(""), patience_s=0.1) as client:
            with pytest.raises(Unreachable, match="closed the connection"):
                await all_of(client.follow_many(["a"]))
        assert {request.target for request in site.requests} == set(shut)

    async def test_who_gives_up_on_one_of_them_does_not_begin_all_anew(self):
        """Else a gateway that is away would be waited for twice as long, and what was held of others lost."""
        absent = {"status": 404, "detail": "There is nothing here.", "code": "not_found"}
        of_the_job = ["/api/v1/batch/a/ws", "/api/v1/batch/a/events", "/api/v1/batch/a"]
        pages = dict.fromkeys(of_the_job, raw(b"")) | {
            "/api/v1/ws": answer(404, body=json.dumps(absent).encode())
        }
        waits = Waits()
        async with web_server(pages) as site, GatewayClient(site.url(""), patience_s=0.1) as client:
            with pytest.raises(Unreachable, match="closed the connection"):
                await all_of(client.follow_many(["a"], on_wait=waits))
        targets = [request.target for request in site.requests]
        assert (targets.count("/api/v1/ws"), set(targets)) == (1, {"/api/v1/ws", *of_the_job})
        assert waits.reasons

    async def test_no_more_than_a_few_are_followed_at_a_time(self, gateway, client):
        job_ids = [f"job-{number}" for number in range(AT_ONCE + 1)]
        gateway.plays([Refuse(404, code="not_found")], *[[Hang()]] * (AT_ONCE + 1))
        following = asyncio.create_task(all_of(client.follow_many(job_ids)))
        async with asyncio.timeout(DEADLINE_S):
            while len(gateway.queries) < 1 + AT_ONCE:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert len(gateway.queries) == 1 + AT_ONCE
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await gateway.left.wait()

    async def test_who_leaves_early_leaves_all_of_their_connections(self, gateway, client):
        gateway.plays([Refuse(404, code="not_found")], *[[opening("e:1"), Hang()]] * 2)
        async with asyncio.timeout(SOON_S), aclosing(client.follow_many(["a", "b"])) as events:
            await anext(events)
        await gateway.left.wait()
        assert not [task for task in asyncio.all_tasks() if task.get_name() in ("follow", "listen")]

    async def test_what_ends_one_for_good_ends_the_others(self, gateway, client):
        gateway.plays([Refuse(404, code="not_found")], *[[Refuse(403, code="forbidden")]] * 2)
        with pytest.raises(Refused, match="It is forbidden"):
            await all_of(client.follow_many(["a", "b"]))


def both() -> list[object]:
    return [step for job_id in "ab" for step in (subscribed(job_id), *ended(job_id))]
