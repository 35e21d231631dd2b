"""The events that are made of a job's state and the ends of its images, where no stream passes."""

from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gateway.client import FROM_THE_START, Event, Image, Job
from gateway.client.answers import read_image, read_job
from gateway.client.live.doors.state import each_end, goes_on, last_event, news, opening, state_behind
from gateway.client.live.told import Told, is_earlier
from tests.servers.scripted_gateway import IMAGES, a_status, an_image

NOW = datetime(2026, 11, 18, 10, 30, tzinfo=UTC)


def a_job(event_id: str, ended: int) -> Job:
    return read_job(a_status(event_id, ended))


def an_end(event_id: str, index: int, status: str = "completed") -> Image:
    return evolve(read_image(an_image(index, status)), id=event_id, end_time=NOW)


def counts(event: Event) -> tuple[int, int, int, str, float]:
    return event.completed, event.failed, event.cancelled, event.status, round(event.progress)


class TestOpening:
    def test_without_a_position_it_is_the_present_state(self):
        state = opening(None, a_job("e:4", 1), [], images=False)
        assert (state.id, state.resumed, counts(state), state.images) == (
            "e:4",
            False,
            (1, 0, 0, "processing", 33),
            (),
        )

    def test_it_has_all_images_where_they_are_asked_for(self):
        state = opening(None, a_job("e:4", 1), [], images=True)
        assert [image.status for image in state.images] == ["completed", "pending", "pending"]

    def test_from_the_start_it_is_the_state_before_the_first_event(self):
        ends = [an_end("e:2", 1), an_end("e:3", 0)]
        state = opening(FROM_THE_START, a_job("e:4", 2), ends, images=True)
        assert (state.id, state.resumed, counts(state), state.images) == (
            "e:0",
            True,
            (0, 0, 0, "pending", 0),
            (),
        )

    def test_behind_an_event_it_is_the_state_as_it_was_then(self):
        state = opening("e:2", a_job("e:4", 2), [an_end("e:3", 0)], images=False)
        assert (state.id, state.resumed, counts(state)) == ("e:2", True, (1, 0, 0, "processing", 33))

    def test_ends_that_came_after_the_state_was_asked_for_are_not_taken_from_it(self):
        state = opening("e:2", a_job("e:3", 2), [an_end("e:3", 0), an_end("e:4", 1)], images=False)
        assert counts(state)[0] == 1

    @pytest.mark.parametrize("position", ["f:2", "e:9", "no position"])
    def test_what_can_not_be_gone_on_from_is_the_present_state(self, position):
        assert opening(position, a_job("e:4", 2), [], images=False).resumed is False


class TestGoesOn:
    @pytest.mark.parametrize("position", [FROM_THE_START, "e:0", "e:3", "e:4"])
    def test_behind_what_the_log_has(self, position):
        assert goes_on(position, a_job("e:4", 2))

    def test_not_behind_the_end_of_a_job(self):
        assert not goes_on("e:4", a_job("e:4", IMAGES))


def test_each_end_has_the_counters_as_they_were_then():
    first = opening(FROM_THE_START, a_job("e:9", 0), [], images=False)
    ends = [an_end("e:2", 1), an_end("e:3", 0, "failed"), an_end("e:4", 2, "cancelled")]
    events = list(each_end(first, ends))
    assert [event.id for event in events] == ["e:2", "e:3", "e:4"]
    assert [counts(event) for event in events] == [
        (1, 0, 0, "processing", 33),
        (1, 1, 0, "processing", 67),
        (1, 1, 1, "cancelled", 100),
    ]
    assert {(event.type, event.resumed, event.timestamp) for event in events} == {
        ("image_complete", None, NOW)
    }


def test_an_image_in_an_event_has_no_id_of_its_own():
    (event,) = each_end(opening(None, a_job("e:1", 0), [], images=False), [an_end("e:2", 1)])
    assert event.image == evolve(an_end("e:2", 1), id="")


def test_a_state_that_is_not_newer_than_what_was_told_is_none():
    told = opening(None, a_job("e:4", 1), [], images=False)
    assert [state_behind(told, a_job(event_id, 1)) for event_id in ("e:3", "e:4")] == [None, None]


def test_a_newer_one_is_told():
    told = opening(None, a_job("e:4", 1), [], images=False)
    state = state_behind(told, a_job("e:5", 1))
    assert state is not None
    assert (state.id, state.type) == ("e:5", "progress")


def test_the_end_of_the_job_is_always_told():
    job = a_job("e:9", IMAGES)
    end = state_behind(opening(None, job, [], images=False), job)
    assert end == last_event(job)
    assert (last_event(job).type, last_event(job).id) == ("job_complete", "e:9")


@given(st.permutations(range(IMAGES)), st.lists(st.integers(0, 2 * IMAGES), max_size=6).map(sorted))
def test_whenever_it_is_asked_each_end_is_told_once_and_nothing_goes_backwards(order, moments):
    """The end of an image is event 2, 4 and so on; at each moment so many events have happened."""
    log = [an_end(f"e:{2 * place + 2}", index) for place, index in enumerate(order)]
    told, last, position, shown = Told(), None, FROM_THE_START, list[Event]()
    for moment in [*moments, 2 * IMAGES]:
        state = a_job(f"e:{moment}", moment // 2)
        ends = [image for image in log if is_earlier(position, image.id) or position == FROM_THE_START]
        for event in news(last, position, state, ends if goes_on(position, state) else [], images=False):
            last, position = event, event.id
            if told.take(event, is_first=event.resumed is not None):
                shown.append(event)
        if state.is_final:
            break
    assert [event.image.index for event in shown if event.image] == order
    assert [event.ended for event in shown] == sorted(event.ended for event in shown)
    assert shown[-1].is_last
