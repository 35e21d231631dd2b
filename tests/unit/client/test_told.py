"""What a call tells of the events that come: nothing twice, and nothing old after something newer."""

from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gateway.client import FROM_THE_START, Event, Image
from gateway.client.answers import read_event
from gateway.client.live.told import Told
from tests.servers.scripted_gateway import an_image, image_complete, job_complete, opening, progress


def told_of(told: Told, *connections: Sequence[Event]) -> list[Event]:
    """Those events of these connections that are told."""
    return [
        event
        for events in connections
        for place, event in enumerate(events)
        if told.take(event, is_first=place == 0)
    ]


def events(*frames) -> list[Event]:
    return [read_event(frame) for frame in frames]


def test_the_present_state_and_all_behind_it_are_told():
    all_of_them = events(opening("e:1"), image_complete("e:2", 0), progress("e:3", 1), job_complete("e:4"))
    assert told_of(Told(), all_of_them) == all_of_them


def test_the_first_event_of_a_call_is_told_though_the_caller_knows_its_id():
    assert len(told_of(Told("e:7"), events(opening("e:7", resumed=True)))) == 1


def test_an_opening_that_goes_on_behind_what_was_told_is_no_news():
    first = events(opening("e:1"), image_complete("e:2", 0))
    assert told_of(Told(), first, events(opening("e:2", 1, resumed=True))) == first


@pytest.mark.parametrize("times", [1, 5])
def test_a_repeat_is_not_told(times):
    """The heartbeat is one."""
    state, heartbeat = events(opening("e:5", 1), progress("e:5", 1))
    assert told_of(Told(), [state, *[heartbeat] * times]) == [state]


def test_an_event_before_the_last_one_is_not_told():
    state, late = events(opening("e:5", 2), image_complete("e:4", 1, 2))
    assert told_of(Told(), [state, late]) == [state]


def test_a_state_that_begins_anew_is_told():
    first, again = events(opening("e:5", 1)), events(opening("f:3", 2))
    assert told_of(Told(), first, again) == first + again


def test_a_state_that_begins_anew_and_is_older_is_not_told():
    first = events(opening("e:5", 2))
    assert told_of(Told(), first, events(opening("f:3", 1))) == first


def test_one_that_tells_of_ends_that_were_not_told_is_told_though_it_is_older():
    first = events(opening("e:1"), image_complete("e:2", 0), image_complete("e:3", 1))
    again = events(opening("f:1", 1, images=[an_image(0, "pending"), an_image(1, "pending"), an_image(2)]))
    assert told_of(Told(), first, again) == first + again


def test_an_end_that_was_told_by_an_event_is_not_told_again():
    first = events(opening("e:1"), image_complete("e:2", 0), image_complete("e:3", 1))
    again = events(opening("f:1", 0), image_complete("f:2", 1, 1), image_complete("f:3", 2, 2))
    assert told_of(Told(), first, again) == first + again[2:]


def test_an_end_that_was_told_by_a_state_is_not_told_again():
    state, end = events(
        opening("e:5", 1, images=[an_image(0), an_image(1, "pending")]), image_complete("e:6", 0)
    )
    assert told_of(Told(), [state, end]) == [state]


def test_the_end_of_the_job_is_told_though_the_caller_knows_its_id():
    ended = events(opening("e:9", 3), job_complete("e:9"))
    assert told_of(Told("e:9"), ended) == ended


def test_a_connection_goes_on_behind_the_last_event_that_came_told_or_not():
    told = Told()
    told_of(told, events(opening("e:5", 2)), events(opening("f:3", 1)))
    assert told.position == "f:3"


class TestOlderGateway:
    """One that does not tell whether it goes on."""

    def test_a_state_that_does_not_follow_upon_the_last_event_begins_anew(self):
        told = Told("e:5")
        assert [told.begins_anew(read_event(progress(at))) for at in ("f:1", "e:4", "e:5", "e:6")] == [
            True,
            True,
            True,
            False,
        ]

    def test_without_a_position_the_first_event_is_the_present_state(self):
        assert Told().begins_anew(read_event(progress("e:5")))

    def test_from_the_start_the_first_event_is_one_of_the_log(self):
        assert not Told(FROM_THE_START).begins_anew(read_event(progress("e:1")))


@given(st.data())
def test_whatever_comes_each_end_is_told_once_and_a_state_is_never_older(data: st.DataObject):
    """Connections that go on or begin anew, in the same log or another, and repeat what they like."""
    told, ended, count = Told(), set[int](), 0
    for _ in range(data.draw(st.integers(1, 4))):
        for place, drawn in enumerate(data.draw(st.lists(_EVENTS, max_size=6))):
            event = evolve(drawn, resumed=data.draw(st.booleans()) if place == 0 else None)
            if not told.take(event, is_first=place == 0):
                continue
            if event.image is not None:
                assert event.image.index not in ended
                ended.add(event.image.index)
            elif not event.is_last and count:
                assert event.ended >= count
            count = max(count, event.ended)


def _event(kind: str, epoch: str, seq: int, ended: int, index: int) -> Event:
    at = f"{epoch}:{seq}"
    frames = {"progress": progress(at, ended), "image_complete": image_complete(at, index, ended)}
    return read_event(frames[kind])


_EVENTS = st.builds(
    _event,
    st.sampled_from(["progress", "image_complete"]),
    st.sampled_from("ef"),
    st.integers(0, 6),
    st.integers(0, 3),
    st.integers(0, 2),
)


def test_images_of_a_state_are_typed():
    (state,) = events(opening("e:1", 1, images=[an_image(0)]))
    assert state.images == (Image(index=0, original_filename="0.jpg", status="completed"),)
