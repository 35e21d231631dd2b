"""Which doors of a job are tried, and what a shut one is known by."""

import asyncio

import pytest

from gateway.client import ClientError, Closed, NoGateway, NotConnected, Refused, Unreachable
from gateway.client.live.doors import way as way_of
from gateway.client.live.doors.door import may_be_the_way
from gateway.client.live.doors.way import Way

DOORS = ["WebSocket", "events", "polls"]


def doors_on(way: Way) -> list[str]:
    return [door for _, door in way.doors(DOORS)]


async def test_the_best_door_is_the_first_one():
    assert doors_on(Way()) == DOORS


async def test_once_another_one_was_open_it_is_the_first():
    way = Way()
    way.is_open_at(1)
    assert doors_on(way) == DOORS[1:]
    way.is_open_at(2)
    assert doors_on(way) == DOORS[2:]


async def test_where_none_was_open_the_best_one_is_the_first_again():
    way = Way()
    way.is_open_at(2)
    way.forget()
    assert doors_on(way) == DOORS


async def test_after_a_while_the_best_one_is_tried_again():
    way = Way(first=2, until=asyncio.get_running_loop().time())
    assert doors_on(way) == DOORS


async def test_that_a_door_is_still_open_does_not_make_it_longer():
    until = asyncio.get_running_loop().time() + way_of.KEPT_S / 2
    way = Way(first=1, until=until)
    way.is_open_at(1)
    assert way == Way(first=1, until=until)


@pytest.mark.parametrize(
    "error",
    [
        *(Refused(status, "no", by_proxy=True) for status in (400, 401, 403, 426, 500, 501, 502, 504)),
        Refused(426, "This address speaks WebSocket.", code="upgrade_required"),
        NoGateway("another server"),
        Unreachable("it says nothing"),
        Closed(1006, "lost"),
    ],
)
def test_something_on_the_way_may_have_shut_it(error: ClientError):
    assert may_be_the_way(error)


@pytest.mark.parametrize(
    "error",
    [
        Refused(404, "There is no such job.", code="job_not_found"),
        Refused(429, "Too many follow.", code="too_many_subscribers"),
        Refused(503, "Stopping.", code="stopping"),
        Refused(403, "no"),
        *(Refused(status, "busy", by_proxy=True) for status in (429, 503)),
        NotConnected("nobody"),
        *(Closed(code, "closed") for code in (1000, 1001, 1012, 1013, 4000, 4500)),
    ],
)
def test_the_gateway_has_spoken_or_nobody_is_there(error: ClientError):
    assert not may_be_the_way(error)
