"""Status answers are kept in a bounded cache, and parts that did not change are not written anew."""

from typing import Any

import orjson
import pytest

from gateway.api.status_views import StatusViews
from gateway.domain.events import Event, StreamPosition
from gateway.domain.job import Job
from tests import builders


class Positions:
    """What the views need of an event stream."""

    def position(self, event: Event) -> StreamPosition:
        return StreamPosition("e", event.seq)


@pytest.fixture
def views() -> StatusViews:
    stream: Any = Positions()
    return StatusViews(stream)


def shown(views: StatusViews, job: Job) -> Any:
    return orjson.loads(views.of(job).body)


def test_the_same_job_has_the_same_bytes(views: StatusViews) -> None:
    job = builders.a_job(3)
    assert views.of(job).body is views.of(job).body


def test_an_image_that_did_not_change_is_not_written_anew(views: StatusViews) -> None:
    job = builders.a_job(3)
    before = views.of(job).images
    after = views.of(builders.complete(builders.publish(job, 1).job, 1).job).images
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_what_is_written_by_parts_is_what_is_written_at_once(views: StatusViews) -> None:
    job = builders.a_job(4)
    views.of(job)
    changed = builders.complete(builders.publish(job, 2).job, 2).job
    stream: Any = Positions()
    assert views.of(changed).body == StatusViews(stream).of(changed).body


def test_versions_have_different_etags(views: StatusViews) -> None:
    job = builders.a_job(2)
    assert views.of(job).etag != views.of(builders.publish(job).job).etag


def test_the_cache_is_bounded_by_bytes_and_the_longest_unused_goes_first() -> None:
    stream: Any = Positions()
    jobs = [builders.a_job(2) for _ in range(4)]
    size = 2 * len(StatusViews(stream).of(jobs[0]).body)
    views = StatusViews(stream, capacity_bytes=3 * size)
    kept = {job.job_id: views.of(job) for job in jobs[:3]}
    views.of(jobs[0])
    views.of(jobs[3])
    assert views.of(jobs[0]) is kept[jobs[0].job_id]
    assert views.of(jobs[1]) is not kept[jobs[1].job_id]


def test_a_job_that_is_deleted_leaves_its_room_to_others() -> None:
    stream: Any = Positions()
    jobs = [builders.a_job(2) for _ in range(4)]
    views = StatusViews(stream, capacity_bytes=3 * 2 * len(StatusViews(stream).of(jobs[0]).body))
    kept = [views.of(job) for job in jobs[:3]]
    views.forget(jobs[1].job_id)
    views.forget(jobs[1].job_id)
    views.of(jobs[3])
    assert views.of(jobs[0]) is kept[0]
    assert views.of(jobs[2]) is kept[2]
    assert views.of(jobs[1]) is not kept[1]


def test_a_job_larger_than_the_cache_is_shown_all_the_same() -> None:
    stream: Any = Positions()
    views = StatusViews(stream, capacity_bytes=10)
    job = builders.a_job(2)
    assert shown(views, job)["total_images"] == 2
    assert shown(views, job)["total_images"] == 2


def test_names_are_shown_as_the_client_gave_them(views: StatusViews) -> None:
    name = 'Ünï/"quote"\\\n\u2028.jpg'
    job = builders.a_job([builders.an_image(original_filename=name)])
    assert shown(views, job)["images"][0]["original_filename"] == name
