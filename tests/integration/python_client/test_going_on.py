"""Each way to follow tells what a connection is worth: one with news makes the next pause the first one again, and one
with an answer keeps a gateway from being given up. The gateway does, frame by frame, what a test says.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest
from attrs import define, field

from gateway.client import ClientError, Event, GatewayClient, JobsNews
from gateway.client.address import Address
from gateway.client.coming_back import ComingBack
from gateway.client.http import Http
from gateway.client.live.all_jobs import AllJobs
from gateway.client.live.doors.way import Way
from gateway.client.live.jobs import Jobs
from gateway.client.live.one_connection import OneConnection
from gateway.client.live.one_job import OneJob
from gateway.client.live.told import Told
from gateway.client.pauses import FIRST_PAUSE_S, Pauses
from gateway.client.polling import Polling
from gateway.client.results import Results
from tests.client_calls import SOON_S, Waits
from tests.servers.scripted_gateway import (
    JOB_ID,
    MOMENT,
    Close,
    Cut,
    Frame,
    Hang,
    Hear,
    Refuse,
    Scripted,
    Step,
    a_status,
    an_image,
    image_complete,
    opening,
    subscribed,
)

NO_MORE = [Refuse(403, code="no")]
"""Ends the call."""
QUICK_S = 0.1
"""Of heartbeats: without them the connection is dead after 0.25 s."""


@pytest.fixture
async def http(gateway: Scripted):
    async with Http(Address.of(gateway.base_url), 60) as http:
        yield http


@define
class NoPauses:
    """As `draw`: no time passes, and the longest that each pause could have been is kept."""

    ceilings: list[float] = field(factory=list)

    def __call__(self, low: float, high: float) -> float:
        self.ceilings.append(high)
        return low


def jobs(event_id: str, *, resumed: bool = False, heartbeat_s: float = 20) -> Frame:
    said = {"resumed": resumed, "heartbeat_s": heartbeat_s, "total": 0}
    return {"type": "jobs", "job_id": "*", "id": event_id, **said} | ({} if resumed else {"jobs": []})


def deleted(event_id: str) -> Frame:
    return {"type": "job_deleted", "id": event_id, "timestamp": MOMENT, "job_id": JOB_ID}


ONE_JOB = [
    [opening("e:1"), Cut()],
    [opening("e:1", resumed=True), image_complete("e:2", 0), Cut()],
]
MANY_JOBS = [[Hear(), subscribed(JOB_ID), *scene] for scene in ONE_JOB]
ALL_JOBS = [
    [Hear(), subscribed("*"), jobs("p:1"), Cut()],
    [Hear(), subscribed("*"), jobs("p:1", resumed=True), deleted("p:2"), Cut()],
]
RESULTS = [[{"id": f"e:{index}", **an_image(index)}, Cut()] for index in range(2)]

Connect = Callable[[ComingBack], AsyncGenerator[object, None]]


def one_job(http: Http) -> Connect:
    return OneJob(http, Way(), JOB_ID, Told(), images=False).connect


def many_jobs(http: Http) -> Connect:
    return OneConnection(http, Jobs.of([JOB_ID], {}, None), images=False).events


def all_jobs(http: Http) -> Connect:
    return AllJobs(http).connect


def results(http: Http) -> Connect:
    return Results(http, JOB_ID, None, follow=True).connect


@pytest.mark.parametrize(
    ("following", "scenes"),
    [(one_job, ONE_JOB), (many_jobs, MANY_JOBS), (all_jobs, ALL_JOBS), (results, RESULTS)],
)
async def test_after_news_the_next_pause_is_the_first_one_again(gateway, http, following, scenes):
    gateway.plays(*scenes, NO_MORE)
    no_pauses = NoPauses()
    coming_back = ComingBack(60, Waits(), Pauses(draw=no_pauses))
    with pytest.raises(ClientError):
        async for _ in coming_back.over(following(http)):
            pass
    assert no_pauses.ceilings == [FIRST_PAUSE_S] * len(scenes)


async def test_so_it_is_after_a_status(gateway, http):
    gateway.status_answers = [Refuse(503), a_status("e:1", 0), Refuse(503), a_status("e:5", 3)]
    no_pauses = NoPauses()
    job = await Polling(http).ended(JOB_ID, ComingBack(60, Waits(), Pauses(draw=no_pauses)))
    assert (job.id, no_pauses.ceilings) == ("e:5", [FIRST_PAUSE_S] * 2)


def follow(client: GatewayClient, waits: Waits) -> AsyncGenerator[Event, None]:
    return client.follow(JOB_ID, on_wait=waits)


def follow_many(client: GatewayClient, waits: Waits) -> AsyncGenerator[Event, None]:
    return client.follow_many([JOB_ID], on_wait=waits)


def follow_all(client: GatewayClient, waits: Waits) -> AsyncGenerator[JobsNews, None]:
    return client.follow_all(on_wait=waits)


STATE, STATE_AGAIN = (opening("e:1", resumed=resumed, heartbeat_s=QUICK_S) for resumed in (False, True))
JOBS, NO_JOBS = (jobs("p:1", resumed=resumed, heartbeat_s=QUICK_S) for resumed in (False, True))
SUBSCRIBED = [Hear(), subscribed(JOB_ID, QUICK_S)]
ALL_SUBSCRIBED = [Hear(), subscribed("*", QUICK_S)]


@pytest.mark.parametrize(
    ("call", "news", "no_news"),
    [
        (follow, [STATE], [STATE_AGAIN]),
        (follow_many, [*SUBSCRIBED, STATE], [*SUBSCRIBED, STATE_AGAIN]),
        (follow_all, [*ALL_SUBSCRIBED, JOBS], [*ALL_SUBSCRIBED, NO_JOBS]),
    ],
)
async def test_a_gateway_that_answers_and_then_falls_silent_is_not_given_up(
    gateway, call, news: Sequence[Step], no_news: Sequence[Step]
):
    """Four times in a row, each of them longer than the patience with one that does not answer."""
    gateway.plays([*news, Hang()], *[[*no_news, Hang()]] * 3, [Close(1000)])
    waits = Waits()
    async with asyncio.timeout(SOON_S), GatewayClient(gateway.base_url, patience_s=0.2) as client:
        with pytest.raises(ClientError, match="code 1000"):
            async for _ in call(client, waits):
                pass
    assert len(waits.reasons) == 4
