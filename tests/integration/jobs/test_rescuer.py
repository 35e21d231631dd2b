"""Images without a result: looked for, sent again, failed; and what comes late of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from attrs import define, evolve

from gateway.domain.job import Failure, Image, Job, Stage, Status
from gateway.jobs.processed import known_paths
from gateway.jobs.results.rescuer import Rescuer
from gateway.messages import encode
from gateway.ports.backlog import Backlog
from gateway.ports.broker import Queue
from gateway.ports.object_store import Bucket
from gateway.processor.tags import write_tags
from tests.integration.jobs.batches import Linked
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import (
    WORDS,
    a_published_job,
    collect,
    encode_upload,
    put_tagged,
    result,
)
from tests.integration.jobs.test_pipeline import consumers, services, work
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg, a_png

TIMEOUT_S = 30
DAY_S = 24 * 3600


@pytest.fixture
async def parts(tmp_path):
    async with parts_in(tmp_path, result_timeout_s=TIMEOUT_S) as parts:
        yield parts


async def work_past_the_deadline(parts: Parts) -> None:
    async with services(parts):
        await work(parts, TIMEOUT_S + 1)
    await parts.rescuer.run_once()


async def image_of(parts: Parts, job: Job, index: int = 0) -> Image:
    return (await parts.jobs.get(job.job_id)).images[index]


async def publish_again(parts: Parts) -> None:
    """The dispatcher's part; the message is lost once more."""
    await parts.dispatcher.run_once()
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        for delivery in sweep.deliveries:
            await sweep.ack(delivery)


# At the deadline


async def test_an_image_waits_for_its_result_until_its_deadline(parts: Parts):
    job = await a_published_job(parts)
    async with services(parts):
        await work(parts, TIMEOUT_S)
    await parts.rescuer.run_once()
    image = await image_of(parts, job)
    assert (image.stage, image.attempt) == (Stage.RESULT, 1)


async def test_an_image_without_a_result_is_sent_again_at_its_deadline(parts: Parts):
    job = await a_published_job(parts)
    await work_past_the_deadline(parts)
    image = await image_of(parts, job)
    assert (image.stage, image.attempt, image.status) == (Stage.PUBLISH, 2, Status.PROCESSING)
    await parts.dispatcher.run_once()
    assert (await parts.broker.depth(Queue.IMAGE_UPLOAD)).messages == 1


async def test_each_attempt_has_a_deadline_of_its_own(parts: Parts):
    job = await a_published_job(parts)
    await work_past_the_deadline(parts)
    await publish_again(parts)
    await parts.rescuer.run_once()
    assert (await image_of(parts, job)).attempt == 2
    await work_past_the_deadline(parts)
    assert (await image_of(parts, job)).attempt == 3


async def test_an_image_whose_attempts_are_used_up_fails_and_tells_what_the_queues_held(parts: Parts):
    job = await a_published_job(parts)
    for _ in range(parts.settings.max_attempts):
        await work_past_the_deadline(parts)
        await publish_again(parts)
    failure = (await image_of(parts, job)).failure
    assert failure is not None
    assert failure.code == "no_result"
    assert failure.error == (
        "no result came within 30 s, after 3 attempts (image_upload: 0 messages, 1 consumer; "
        "metadata_generated: 0 messages, 1 consumer)"
    )


@pytest.mark.parametrize("folder", ["", "processed/"])
async def test_an_image_whose_object_lies_in_the_store_is_completed_without_its_result(parts: Parts, folder):
    job = await parts.submitted(sent(a_png(), "Zürich.jpg"))
    await publish_again(parts)
    path = f"{folder}{job.images[0].trace_id}/Zürich.png"
    await parts.put(Bucket.PROCESSED, path, write_tags(a_jpeg(), WORDS))
    await work_past_the_deadline(parts)
    image = await image_of(parts, job)
    assert (image.status, image.processed_path, image.metadata) == (Status.COMPLETED, path, WORDS)


async def test_the_object_of_the_newest_attempt_is_taken_first_and_of_an_older_one_otherwise(parts: Parts):
    job = await a_published_job(parts, images=2)
    await work_past_the_deadline(parts)
    await publish_again(parts)
    both, old = (image.trace_id for image in job.images)
    for folder in (both, f"{both}-a2", old):
        await parts.put(Bucket.PROCESSED, f"{folder}/photo.jpg", write_tags(a_jpeg(), WORDS))
    await work_past_the_deadline(parts)
    paths = [image.processed_path for image in (await parts.jobs.get(job.job_id)).images]
    assert paths == [f"{both}-a2/photo.jpg", f"{old}/photo.jpg"]


async def test_an_image_that_is_found_keeps_the_object_that_it_names_alone(parts: Parts):
    job = await rescued(parts)
    for attempt in (1, 2):
        await put_tagged(parts, result(job, attempt=attempt))
    await work_past_the_deadline(parts)
    found = (await image_of(parts, job)).processed_path
    assert [file for file in parts.files() if file.startswith("processed/")] == [f"processed/{found}"]


@define(eq=False)
class BusyBacklog:
    """The real one; more happens just after it answered."""

    backlog: Backlog
    meanwhile: Callable[[], Awaitable[object]]

    async def without_result(self, published_before: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        found = await self.backlog.without_result(published_before, limit=limit)
        await self.meanwhile()
        return found

    async def accepted_before(self, moment: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        return await self.backlog.accepted_before(moment, limit=limit)


async def test_an_attempt_that_was_published_since_the_question_gets_all_of_its_time(parts: Parts):
    job = await a_published_job(parts)
    async with services(parts):
        await work(parts, TIMEOUT_S + 1)

    async def rejected_and_published_again() -> None:
        await parts.broker.publish(Queue.DEAD_LETTER, encode_upload(job))
        await parts.dead_letters.run_once()
        parts.clock.turn(60)
        await publish_again(parts)

    backlog = BusyBacklog(parts.jobs, rejected_and_published_again)
    await evolve(parts.rescuer, backlog=backlog).run_once()  # type: ignore[arg-type]  # it asks these two alone
    image = await image_of(parts, job)
    assert (image.stage, image.attempt) == (Stage.RESULT, 2)


async def test_the_deadline_stands_still_while_nobody_consumes(parts: Parts):
    job = await a_published_job(parts)
    async with consumers(parts, Queue.IMAGE_UPLOAD):
        await work(parts, 10 * TIMEOUT_S)
    await parts.rescuer.run_once()
    assert (await image_of(parts, job)).attempt == 1


async def test_the_time_in_which_the_gateway_was_down_does_not_count(tmp_path):
    async with parts_in(tmp_path, result_timeout_s=TIMEOUT_S) as parts:
        job = await a_published_job(parts)
        published_at = parts.clock.now()
    async with parts_in(tmp_path, result_timeout_s=TIMEOUT_S) as parts:
        parts.clock.moment = published_at + timedelta(hours=2)
        async with services(parts):
            await work(parts, TIMEOUT_S - 1)
            await parts.rescuer.run_once()
            assert (await image_of(parts, job)).attempt == 1
            await work(parts, 2)
            await parts.rescuer.run_once()
            assert (await image_of(parts, job)).attempt == 2


async def test_while_the_store_can_not_be_asked_no_image_is_sent_again(parts: Parts):
    job = await a_published_job(parts)
    processed = parts.folder / "objects" / "processed"
    processed.rename(parts.folder / "away")
    with pytest.raises(Exception, match="store"):
        await work_past_the_deadline(parts)
    assert (await image_of(parts, job)).attempt == 1
    (parts.folder / "away").rename(processed)
    await parts.rescuer.run_once()
    assert (await image_of(parts, job)).attempt == 2


async def test_an_image_that_ended_or_whose_job_is_gone_is_not_looked_for(parts: Parts):
    job = await a_published_job(parts)
    await collect(parts, encode(result(job, status="failed", error="no")))
    gone = await a_published_job(parts)
    await parts.ledger.delete(gone.job_id)
    await work_past_the_deadline(parts)
    assert (await image_of(parts, job)).attempt == 1


# What comes late


async def rescued(parts: Parts) -> Job:
    """A job whose image is at its second attempt, and in the broker."""
    job = await a_published_job(parts)
    await work_past_the_deadline(parts)
    await publish_again(parts)
    return job


async def test_a_late_result_of_a_rescued_attempt_wins_while_the_image_is_open(parts: Parts):
    job = await rescued(parts)
    message = result(job, attempt=1)
    await put_tagged(parts, message)
    await collect(parts, encode(message))
    image = await image_of(parts, job)
    assert (image.status, image.processed_path) == (Status.COMPLETED, message.processed_path)


async def test_the_result_of_the_attempt_that_lost_is_late_and_its_object_goes(parts: Parts):
    job = await rescued(parts)
    first, second = result(job, attempt=1), result(job, attempt=2)
    for message in (second, first):
        await put_tagged(parts, message)
        await collect(parts, encode(message))
    assert (await image_of(parts, job)).processed_path == second.processed_path
    assert f"processed/{first.processed_path}" not in parts.files()
    assert parts.kinds() == {"counted": 1, "late": 1}


async def test_a_late_failure_of_a_rescued_attempt_does_not_count(parts: Parts):
    job = await rescued(parts)
    await collect(parts, encode(result(job, attempt=1, status="failed", error="no")))
    assert (await image_of(parts, job)).stage is Stage.RESULT
    await collect(parts, encode(result(job, attempt=2, status="failed", error="no")))
    assert (await image_of(parts, job)).status is Status.FAILED


async def test_a_late_dead_letter_of_a_rescued_attempt_does_not_count(parts: Parts):
    job = await rescued(parts)
    await parts.broker.publish(Queue.DEAD_LETTER, encode_upload(job))
    await parts.dead_letters.run_once()
    image = await image_of(parts, job)
    assert (image.stage, image.attempt) == (Stage.RESULT, 2)
    assert (await parts.broker.depth(Queue.DEAD_LETTER)).messages == 0


async def test_the_result_of_an_image_that_was_found_before_is_a_repeated_one_and_its_object_stays(
    parts: Parts,
):
    job = await a_published_job(parts)
    (_, path), *_ = known_paths(job.images[0])
    await parts.put(Bucket.PROCESSED, path, write_tags(a_jpeg(), WORDS))
    await work_past_the_deadline(parts)
    message = result(job)
    await collect(parts, encode(evolve(message, processed_path=path)))
    assert f"processed/{path}" in parts.files()
    assert parts.kinds() == {"repeated": 1}


# At the end of all patience


async def look_for(parts: Parts, rescuer: Rescuer, seconds: float, *, every_s: float = 10) -> None:
    """The gateway is up for so long, and looks now and then."""
    end = parts.clock.now() + timedelta(seconds=seconds)
    await rescuer.run_once()
    while parts.clock.now() < end:
        parts.clock.turn(every_s)
        await rescuer.run_once()


async def stay_up(parts: Parts) -> None:
    await look_for(parts, parts.rescuer, TIMEOUT_S)


async def test_what_lay_over_while_the_machine_was_off_gets_its_chance_before_it_is_given_up(parts: Parts):
    job = await parts.submitted(sent(a_jpeg()))
    rescuer = parts.rescuer
    for off_s in (3 * DAY_S, DAY_S):
        parts.clock.turn(off_s)
        await look_for(parts, rescuer, TIMEOUT_S - 10)
        assert (await image_of(parts, job)).stage is Stage.PUBLISH
    await look_for(parts, rescuer, 10)
    assert (await image_of(parts, job)).status is Status.FAILED


async def test_a_gateway_that_seldom_looks_gives_up_what_is_old_too(tmp_path):
    async with parts_in(tmp_path, result_timeout_s=TIMEOUT_S, watch_every_s=300) as parts:
        job = await parts.submitted(sent(a_jpeg()))
        parts.clock.turn(3 * DAY_S + 1)
        await look_for(parts, parts.rescuer, 600, every_s=301)
        assert (await image_of(parts, job)).status is Status.FAILED


async def test_an_image_of_a_job_accepted_long_ago_fails_whatever_the_pipeline_does(parts: Parts):
    waiting = await parts.submitted(*(sent(a_jpeg()) for _ in range(10)))
    await parts.dispatcher.run_once()
    parts.clock.turn(3 * DAY_S - 1)
    await parts.pipeline.run_once()
    await parts.rescuer.run_once()
    assert (await parts.jobs.get(waiting.job_id)).counts.open == 10
    await stay_up(parts)
    job = await parts.jobs.get(waiting.job_id)
    assert job.status is Status.FAILED
    texts = [image.failure.error for image in job.images if image.failure]
    assert {image.failure.code for image in job.images if image.failure} == {"no_result"}
    assert texts[0] == (
        "given up 72 hours after it was accepted, while it waited for its result, at 1 attempt "
        "(image_upload: 8 messages, 0 consumers; metadata_generated: 0 messages, 0 consumers)"
    )
    assert "waited for its place in the pipeline" in texts[-1]


async def test_an_image_that_is_given_up_is_completed_when_its_object_lies_in_the_store(parts: Parts):
    job = await a_published_job(parts)
    (_, path), *_ = known_paths(job.images[0])
    await parts.put(Bucket.PROCESSED, path, write_tags(a_jpeg(), WORDS))
    parts.clock.turn(3 * DAY_S + 1)
    await stay_up(parts)
    assert (await image_of(parts, job)).status is Status.COMPLETED


async def test_a_download_that_our_own_trouble_put_off_again_and_again_is_given_up_too(parts: Parts):
    job = await parts.submitted(Linked("https://example.com/a.jpg"))
    parts.clock.turn(3 * DAY_S + 1)
    await stay_up(parts)
    text = "given up 72 hours after it was accepted, while it waited for its download"
    assert (await image_of(parts, job)).failure == Failure("download_failed", text)


async def test_younger_jobs_are_not_given_up_with_the_old(parts: Parts):
    old = await parts.submitted(sent(a_jpeg()))
    parts.clock.turn(2 * DAY_S)
    young = await parts.submitted(sent(a_jpeg()))
    parts.clock.turn(DAY_S + 1)
    await stay_up(parts)
    stages = [(await image_of(parts, job)).stage for job in (old, young)]
    assert stages == [Stage.ENDED, Stage.PUBLISH]
