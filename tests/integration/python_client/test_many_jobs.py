"""The Python client follows many jobs, or all, of a gateway that does, frame by frame, what a test says."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from gateway.client import (
    Closed,
    Event,
    GatewayClient,
    JobChanged,
    JobDeleted,
    JobList,
    JobsNews,
    Refused,
    Unreachable,
)
from gateway.client.live.turns import UNANSWERED
from tests.client_calls import DEADLINE_S, SOON_S, Waits, all_of
from tests.servers.scripted_gateway import (
    MOMENT,
    Close,
    Cut,
    Frame,
    Hang,
    Hear,
    Refuse,
    Step,
    image_complete,
    job_complete,
    opening,
    progress,
    subscribed,
)

HEARTBEAT = {"type": "heartbeat", "timestamp": MOMENT}


def error(code: str, job_id: str | None = None) -> Frame:
    place = {} if job_id is None else {"job_id": job_id}
    return {"type": "error", "code": code, "error": f"It is {code}.", **place}


def whole(job_id: str) -> list[Frame]:
    """All of a job that ends at once."""
    return [subscribed(job_id), opening("e:1", job_id=job_id), job_complete("e:2", job_id=job_id)]


async def told(events: AsyncGenerator[Event, None]) -> list[tuple[str, str]]:
    return [(event.job_id, event.id) for event in await all_of(events)]


class TestManyJobs:
    async def test_the_events_of_each_job_come_over_one_connection_until_the_last_one_has_ended(
        self, gateway, client
    ):
        gateway.plays(
            [
                *(Hear(), Hear(), subscribed("a"), opening("e:1", job_id="a"), subscribed("b")),
                *(
                    opening("e:5", 1, job_id="b"),
                    job_complete("e:6", job_id="b"),
                    job_complete("e:2", job_id="a"),
                ),
            ]
        )
        assert await told(client.follow_many(["a", "b"])) == [
            ("a", "e:1"),
            ("b", "e:5"),
            ("b", "e:6"),
            ("a", "e:2"),
        ]

    async def test_each_goes_on_where_it_stopped_and_one_that_has_ended_is_left_out(self, gateway, client):
        resumed = opening("e:4", 1, resumed=True, job_id="b")
        gateway.plays(
            [Hear(2), *whole("a"), subscribed("b"), opening("e:4", 1, job_id="b"), Cut()],
            [Hear(), subscribed("b"), resumed, job_complete("e:5", job_id="b")],
        )
        assert await told(client.follow_many(["a", "b"])) == [
            ("a", "e:1"),
            ("a", "e:2"),
            ("b", "e:4"),
            ("b", "e:5"),
        ]
        assert gateway.heard == [
            [{"type": "subscribe", "job_id": "a"}, {"type": "subscribe", "job_id": "b"}],
            [{"type": "subscribe", "job_id": "b", "after": "e:4"}],
        ]

    async def test_a_caller_names_events_by_job_and_may_ask_for_images(self, gateway, client):
        gateway.plays([Hear(2), *whole("a"), *whole("b")])
        await told(client.follow_many(["a", "b"], {"b": "e:0"}, images=True))
        assert gateway.heard == [
            [
                {"type": "subscribe", "job_id": "a", "images": True},
                {"type": "subscribe", "job_id": "b", "images": True, "after": "e:0"},
            ]
        ]

    async def test_an_id_in_capitals_is_that_of_the_same_job(self, gateway, client):
        gateway.plays([Hear(), *whole("a")])
        await told(client.follow_many(["A"], {"A": "e:0"}))
        assert gateway.heard == [[{"type": "subscribe", "job_id": "a", "after": "e:0"}]]

    async def test_repeats_are_not_told_nor_is_an_end_twice(self, gateway, client):
        gateway.plays(
            [
                *(Hear(), subscribed("a"), opening("e:1", job_id="a"), image_complete("e:2", 0, job_id="a")),
                *(progress("e:2", 1, job_id="a"), HEARTBEAT, Cut()),
            ],
            [
                *(Hear(), subscribed("a"), opening("f:1", 1, job_id="a")),
                *(image_complete("f:2", 0, job_id="a"), job_complete("f:3", job_id="a")),
            ],
        )
        assert [event_id for _, event_id in await told(client.follow_many(["a"]))] == [
            "e:1",
            "e:2",
            "f:1",
            "f:3",
        ]

    async def test_a_job_that_is_not_there_is_told_and_the_others_go_on(self, gateway, client):
        lost: list[tuple[str, int]] = []
        gateway.plays([Hear(2), error("job_not_found", "a"), *whole("b")])
        events = client.follow_many(
            ["a", "b"], on_lost=lambda job_id, refused: lost.append((job_id, refused.status))
        )
        assert await told(events) == [("b", "e:1"), ("b", "e:2")]
        assert lost == [("a", 404)]

    async def test_without_anybody_to_tell_it_is_raised(self, gateway, client):
        gateway.plays([Hear(2), error("job_not_found", "a"), *whole("b")])
        with pytest.raises(Refused, match="There is no job a"):
            await told(client.follow_many(["a", "b"]))

    async def test_jobs_above_the_gateways_limit_get_their_turn_as_others_end(self, gateway, client):
        full = error("too_many_subscriptions", "b")
        gateway.plays([Hear(2), subscribed("a"), full, *whole("a")[1:], Hear(), *whole("b")])
        assert [job_id for job_id, _ in await told(client.follow_many(["a", "b"]))] == ["a", "a", "b", "b"]
        assert [said["job_id"] for said in gateway.heard[0]] == ["a", "b", "b"]

    async def test_a_limit_that_lets_nothing_through_is_raised_after_a_time(self, gateway):
        gateway.plays(*[[Hear(), error("too_many_subscriptions", "a"), Hang()]] * 2, [Refuse(403, code="no")])
        waits = Waits()
        async with GatewayClient(gateway.base_url) as client:
            with pytest.raises(Refused) as refused:
                await told(client.follow_many(["a"], on_wait=waits))
        assert refused.value.status == 403
        assert [str(reason) for reason in waits.reasons] == ["It is too_many_subscriptions."] * 2

    async def test_no_more_is_asked_for_at_a_time_than_may_be_unanswered(self, gateway, client):
        jobs = [f"job {number}" for number in range(UNANSWERED + 1)]
        first, *others = jobs
        script: list[Step] = [Hear(UNANSWERED), *whole(first), Hear()]
        gateway.plays([*script, *(step for job_id in others for step in whole(job_id))])
        assert len(await told(client.follow_many(jobs))) == 2 * len(jobs)

    async def test_a_job_that_can_not_be_followed_now_is_asked_for_again_over_the_same_connection(
        self, gateway, client
    ):
        gateway.plays(
            [Hear(), error("unavailable", "a"), Hear(), error("unavailable", "a"), Hear(), *whole("a")]
        )
        waits = Waits()
        assert await told(client.follow_many(["a"], on_wait=waits)) == [("a", "e:1"), ("a", "e:2")]
        assert [str(reason) for reason in waits.reasons] == ["It is unavailable."] * 2

    async def test_it_costs_the_others_nothing(self, gateway, client):
        first = [error("unavailable", "a"), *whole("b"), subscribed("c"), opening("e:1", job_id="c")]
        gateway.plays([Hear(3), *first, Hear(), *whole("a"), job_complete("e:2", job_id="c")])
        events = await told(client.follow_many(["a", "b", "c"]))
        assert [job_id for job_id, _ in events] == ["b", "b", "c", "a", "a", "c"]

    async def test_one_that_is_followed_and_then_is_not_goes_on_where_it_stopped(self, gateway, client):
        began = [subscribed("a"), opening("e:1", job_id="a"), error("unavailable", "a")]
        again = [subscribed("a"), opening("e:1", resumed=True, job_id="a"), job_complete("e:2", job_id="a")]
        gateway.plays([Hear(), *began, Hear(), *again])
        assert await told(client.follow_many(["a"])) == [("a", "e:1"), ("a", "e:2")]
        assert [said.get("after") for said in gateway.heard[0]] == [None, "e:1"]

    async def test_an_error_about_the_connection_is_raised(self, gateway, client):
        gateway.plays([Hear(), error("bad_message")])
        with pytest.raises(Refused) as refused:
            await told(client.follow_many(["a"]))
        assert refused.value.code == "bad_message"

    async def test_a_final_close_code_is_raised(self, gateway, client):
        gateway.plays([Hear(), Close(4501)])
        with pytest.raises(Closed):
            await told(client.follow_many(["a"]))

    async def test_a_close_code_counts_though_the_client_had_more_to_say(self, gateway, client):
        full = error("too_many_subscriptions", "b")
        gateway.plays([Hear(2), subscribed("a"), full, *whole("a")[1:], Close(4501), Hang()])

        async def act(event: Event) -> None:
            if event.is_last:
                await gateway.left.wait()

        with pytest.raises(Closed) as closed:
            await all_of(client.follow_many(["a", "b"]), act)
        assert closed.value.code == 4501

    async def test_a_connection_without_heartbeats_is_dead(self, gateway, client):
        waits = Waits()
        gateway.plays(
            [Hear(), subscribed("a", heartbeat_s=0.1), opening("e:1", heartbeat_s=0.1, job_id="a"), Hang()],
            [Hear(), *whole("a")[:1], job_complete("e:2", job_id="a")],
        )
        async with asyncio.timeout(SOON_S):
            assert await told(client.follow_many(["a"], on_wait=waits)) == [("a", "e:1"), ("a", "e:2")]
        assert [type(reason) for reason in waits.reasons] == [Unreachable]

    async def test_no_jobs_at_all_need_no_connection(self, gateway, client):
        assert await told(client.follow_many([])) == []
        assert gateway.queries == []


def a_job(job_id: str, status: str = "processing") -> Mapping[str, Any]:
    counts = {"total_images": 1, "completed": 0, "failed": 0, "progress": 0.0}
    return {"job_id": job_id, "status": status, "created_at": MOMENT, "updated_at": MOMENT, **counts}


def jobs(event_id: str, *ids: str) -> Frame:
    said = {"job_id": "*", "resumed": False, "heartbeat_s": 20, "total": len(ids)}
    return {"type": "jobs", "id": event_id, "jobs": [a_job(job_id) for job_id in ids], **said}


def changed(event_id: str, job_id: str, status: str = "completed") -> Frame:
    return {"type": "job_changed", "id": event_id, "job": a_job(job_id, status)}


def deleted(event_id: str, job_id: str) -> Frame:
    return {"type": "job_deleted", "id": event_id, "job_id": job_id}


RESUMED = {"type": "jobs", "job_id": "*", "id": "p:3", "resumed": True, "heartbeat_s": 20, "total": 2}


async def first(count: int, news: AsyncGenerator[JobsNews, None]) -> list[JobsNews]:
    async with asyncio.timeout(DEADLINE_S), aclosing(news):
        return [await anext(news) for _ in range(count)]


class TestAllJobs:
    async def test_the_jobs_come_first_and_then_what_becomes_of_them(self, gateway, client):
        gateway.plays(
            [Hear(), subscribed("*"), jobs("p:1", "a", "b"), changed("p:2", "a"), deleted("p:3", "b"), Hang()]
        )
        listed, change, deletion = await first(3, client.follow_all())
        assert isinstance(listed, JobList)
        assert ([job.job_id for job in listed.jobs], listed.total) == (["a", "b"], 2)
        assert isinstance(change, JobChanged)
        assert (change.job.job_id, change.job.status) == ("a", "completed")
        assert deletion == JobDeleted(id="p:3", job_id="b")

    async def test_they_go_on_behind_the_last_news(self, gateway, client):
        gateway.plays(
            [Hear(), subscribed("*"), jobs("p:1", "a"), changed("p:3", "a"), Close(1012)],
            [Hear(), subscribed("*"), RESUMED, changed("p:3", "a"), changed("p:4", "b"), Hang()],
        )
        assert [news.id for news in await first(3, client.follow_all())] == ["p:1", "p:3", "p:4"]
        assert [said for (said,) in gateway.heard] == [
            {"type": "subscribe", "job_id": "*"},
            {"type": "subscribe", "job_id": "*", "after": "p:3"},
        ]

    async def test_news_from_before_the_last_ones_are_not_told(self, gateway, client):
        gateway.plays(
            [
                *(Hear(), subscribed("*"), jobs("p:1", "a"), changed("p:3", "a")),
                *(changed("p:2", "a"), changed("p:4", "a"), Hang()),
            ]
        )
        assert [news.id for news in await first(3, client.follow_all())] == ["p:1", "p:3", "p:4"]

    async def test_whoever_has_missed_some_gets_all_jobs_again(self, gateway, client):
        gateway.plays(
            [Hear(), subscribed("*"), jobs("p:5", "a"), Cut()],
            [Hear(), subscribed("*"), jobs("q:0", "a", "b"), changed("q:1", "b"), jobs("q:9"), Hang()],
        )
        assert [news.id for news in await first(4, client.follow_all())] == ["p:5", "q:0", "q:1", "q:9"]

    async def test_an_error_is_raised(self, gateway, client):
        gateway.plays([Hear(), error("too_many_subscriptions", "*")], [Refuse(403, code="no")])
        waits = Waits()
        with pytest.raises(Refused):
            await first(1, client.follow_all(on_wait=waits))
        assert [str(reason) for reason in waits.reasons] == ["It is too_many_subscriptions."]
