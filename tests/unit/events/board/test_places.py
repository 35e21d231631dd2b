"""The newest change of each job has a place; what is remembered besides is bounded."""

from gateway.domain.job import Job
from gateway.events.board.places import Places
from gateway.ports.job_store import JobSummary
from tests.builders import an_accepted_job, publish


def numbers(places: Places) -> list[int]:
    return [place.seq for place in places.after(0, up_to=places.newest, limit=100)]


def begun(job: Job) -> Job:
    return publish(job).job


def test_a_newer_change_takes_the_place_of_the_older_one() -> None:
    places, job = Places(), an_accepted_job(1).job
    for state in (job, an_accepted_job(1).job, begun(job)):
        assert places.change(state, keep_state=False)
    assert numbers(places) == [2, 3]


def test_the_oldest_place_is_given_up_where_there_are_too_many() -> None:
    places = Places(capacity=2)
    for _ in range(3):
        places.change(an_accepted_job(1).job, keep_state=False)
    assert (numbers(places), places.forgotten) == ([2, 3], 1)


def test_the_first_after_a_number_are_given_up_to_another_one() -> None:
    places = Places()
    for _ in range(6):
        places.change(an_accepted_job(1).job, keep_state=False)
    assert [place.seq for place in places.after(1, up_to=5, limit=3)] == [2, 3, 4]


def test_a_state_that_is_older_than_one_that_was_shown_has_no_place() -> None:
    places, job = Places(), an_accepted_job(1).job
    places.see(JobSummary.of(begun(job)))
    assert not places.change(job, keep_state=False)
    assert places.change(begun(job), keep_state=False)


def test_a_deleted_job_keeps_its_place_as_a_deleted_one_whatever_was_read_before() -> None:
    places, job = Places(), an_accepted_job(1).job
    places.change(job, keep_state=True)
    places.delete(job.job_id)
    places.see(JobSummary.of(begun(job)))
    (place,) = places.after(0, up_to=2, limit=10)
    assert (place.seq, place.is_deleted, place.is_known, place.state) == (2, True, True, None)


def test_of_jobs_without_a_place_those_that_were_shown_last_are_remembered() -> None:
    places, jobs = Places(most_shown_ahead=2), [an_accepted_job(1).job for _ in range(3)]
    for job in jobs:
        places.see(JobSummary.of(begun(job)))
    assert [places.change(job, keep_state=False) for job in jobs] == [True, False, False]
