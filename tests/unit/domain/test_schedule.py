"""Who goes next."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.schedule import Waiting, each, take_turns

backlogs = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=2),
    st.lists(st.integers(0, 99), max_size=8, unique=True).map(sorted),
)
rooms = st.integers(min_value=-3, max_value=60)


def test_all_that_wait_are_told_job_by_job():
    assert each({"one": [0, 2], "two": [1]}) == [Waiting("one", 0), Waiting("one", 2), Waiting("two", 1)]


def test_jobs_take_turns():
    waiting = {"large": [0, 1, 2, 3], "small": [0], "middle": [5, 6]}
    assert [(image.job_id, image.index) for image in take_turns(waiting, 6)] == [
        ("large", 0),
        ("small", 0),
        ("middle", 5),
        ("large", 1),
        ("middle", 6),
        ("large", 2),
    ]


def test_a_batch_of_one_goes_in_the_first_round_behind_many_large_ones():
    waiting = {f"large-{number}": list(range(100)) for number in range(20)} | {"small": [0]}
    assert Waiting("small", 0) in take_turns(waiting, 21)


@given(backlogs, rooms)
def test_the_room_is_filled_as_far_as_there_are_images_and_never_beyond(waiting, room):
    total = sum(map(len, waiting.values()))
    assert len(take_turns(waiting, room)) == min(max(room, 0), total)


@given(backlogs, rooms)
def test_nobody_is_taken_twice_and_nobody_who_does_not_wait(waiting, room):
    taken = take_turns(waiting, room)
    assert len(set(taken)) == len(taken)
    assert all(image.index in waiting[image.job_id] for image in taken)


@given(backlogs, rooms)
def test_no_job_gets_two_more_than_another_that_still_waits(waiting, room):
    taken = Counter(image.job_id for image in take_turns(waiting, room))
    still_waiting = [job for job, indices in waiting.items() if taken[job] < len(indices)]
    assert all(taken[job] <= taken[other] + 1 for job in waiting for other in still_waiting)


@given(backlogs, rooms)
def test_images_of_one_job_go_by_their_index(waiting, room):
    taken = take_turns(waiting, room)
    for job, indices in waiting.items():
        own = [image.index for image in taken if image.job_id == job]
        assert own == indices[: len(own)]
