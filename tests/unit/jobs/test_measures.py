from datetime import timedelta
from typing import Any

from gateway.domain import transitions
from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change
from gateway.domain.job import Job, Stage
from gateway.jobs.measures import Census, Measures
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import JobMetrics
from tests.builders import (
    NOW,
    a_failure,
    a_refused_image,
    a_reused_image,
    a_url_image,
    an_accepted_job,
    an_image,
)
from tests.recording_agent import RecordingAgent


def measured(*changes: Change | None) -> Instruments:
    instruments = Instruments(RecordingAgent())
    measures = Measures(JobMetrics(instruments))
    for change in changes:
        assert change is not None
        measures.observe(change)
    return instruments


def value(instruments: Instruments, name: str, **labels: str) -> float | None:
    return instruments.registry.get_sample_value(f"gateway_{name}", labels)


def first_attempt(job: Job, index: int = 0) -> AttemptName:
    return AttemptName(job.images[index].trace_id, 1)


def test_an_accepted_job_counts_with_its_images_by_where_they_come_from() -> None:
    counted = measured(an_accepted_job([an_image(0), an_image(1), a_url_image(2)]))
    assert value(counted, "jobs_accepted_total") == 1
    assert value(counted, "images_accepted_total", source="sent") == 2
    assert value(counted, "images_accepted_total", source="url") == 1


def test_the_bytes_that_were_sent_along_count() -> None:
    counted = measured(an_accepted_job([an_image(0), an_image(1), a_url_image(2)]))
    assert value(counted, "received_bytes_total", source="sent") == 2 * 52_000
    assert value(counted, "received_bytes_total", source="url") == 0


def test_an_accepted_job_is_an_event_for_datadog() -> None:
    accepted = an_accepted_job(2)
    agent = measured(accepted).agent
    assert isinstance(agent, RecordingAgent)
    assert agent.events == [("Batch job created", f"Batch job {accepted.job.job_id} created with 2 images")]


def test_an_image_that_is_refused_at_the_door_has_failed_with_its_code() -> None:
    counted = measured(an_accepted_job([a_refused_image(0), an_image(1)]))
    assert value(counted, "images_ended_total", status="failed") == 1
    assert value(counted, "image_failures_total", code="not_an_image") == 1


def test_an_image_that_is_reused_is_completed_and_counts_as_such() -> None:
    counted = measured(an_accepted_job([a_reused_image(0), an_image(1)]))
    assert value(counted, "images_ended_total", status="completed") == 1
    assert value(counted, "images_reused_total") == 1


def test_an_image_that_is_reused_at_the_door_took_no_time_of_work() -> None:
    counted = measured(an_accepted_job([a_reused_image(0), an_image(1)]))
    assert value(counted, "image_stage_seconds_count", stage="all") is None


def test_an_image_that_is_refused_at_the_door_took_no_time_of_work() -> None:
    counted = measured(an_accepted_job([a_refused_image(0), an_image(1)]))
    assert value(counted, "image_stage_seconds_count", stage="all") is None


def test_a_code_that_is_not_of_the_contract_is_counted_as_other() -> None:
    accepted = an_accepted_job(1)
    failed = transitions.fail(accepted.job, 0, a_failure("something new"), NOW)
    assert value(measured(accepted, failed), "image_failures_total", code="other") == 1


def test_an_image_that_ends_is_timed_from_its_acceptance_and_from_its_publish() -> None:
    accepted = an_accepted_job(1)
    name = first_attempt(accepted.job)
    published = transitions.published(accepted.job, [name], NOW + timedelta(seconds=3))
    assert published is not None
    end = NOW + timedelta(seconds=10)
    completed = transitions.attempt_completed(published.job, name, "b-1/photo.jpg", None, end)
    counted = measured(accepted, published, completed)
    assert value(counted, "image_stage_seconds_sum", stage="all") == 10
    assert value(counted, "image_stage_seconds_sum", stage="pipeline") == 7


def test_a_job_that_ends_counts_once_by_its_status() -> None:
    accepted = an_accepted_job(2)
    cancelled = transitions.cancel(accepted.job, NOW)
    counted = measured(accepted, cancelled)
    assert value(counted, "jobs_ended_total", status="cancelled") == 1
    assert value(counted, "images_ended_total", status="cancelled") == 2


def test_a_change_that_no_event_tells_of_counts_nothing() -> None:
    accepted = an_accepted_job([a_url_image(0)])
    begun = transitions.begin_fetch(accepted.job, 0, NOW)
    assert begun is not None
    again = transitions.begin_fetch(begun.job, 0, NOW)
    assert value(measured(accepted, begun, again), "jobs_accepted_total") == 1


class Backlog:
    async def open_images(self) -> dict[Stage, int]:
        return {Stage.FETCH: 1, Stage.PUBLISH: 20, Stage.RESULT: 3}


async def test_what_waits_is_shown_by_its_stage() -> None:
    instruments = Instruments()
    backlog: Any = Backlog()
    await Census(backlog, JobMetrics(instruments)).run_once()
    assert value(instruments, "images_open", stage="download") == 1
    assert value(instruments, "images_open", stage="waiting") == 20
    assert value(instruments, "images_open", stage="pipeline") == 3
