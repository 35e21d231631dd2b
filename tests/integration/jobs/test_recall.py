"""What a process that died left in a broker that forgets: sent again, suspects alone, and not for ever."""

from functools import partial
from pathlib import Path

from gateway.domain.job import Job, Status
from gateway.domain.transitions import cancel
from gateway.jobs.sending.recall import SUSPECT_FROM, take_back
from gateway.messages import ImageUpload, decode
from gateway.ports.broker import Queue
from tests.builders import complete
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg


async def died_with(folder: Path, images: int, *, times: int) -> Job:
    """A job whose images were all in work at so many deaths."""
    async with parts_in(folder) as parts:
        job = await parts.submitted(*[sent(a_jpeg()) for _ in range(images)])
        await parts.dispatcher.run_once()
    for _ in range(times - 1):
        async with parts_in(folder) as parts:
            await parts.dispatcher.run_once()
    async with parts_in(folder) as parts:
        assert await parts.jobs.in_flight() == images
    return job


async def published(parts: Parts) -> list[str]:
    """What lies in the broker, by trace_id; then somebody has it in hand."""
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        names = [decode(ImageUpload, delivery.body).trace_id for delivery in sweep.deliveries]
        for delivery in sweep.deliveries:
            await sweep.ack(delivery)
    return names


async def test_all_that_was_in_work_once_or_twice_is_sent_again_together(tmp_path: Path):
    job = await died_with(tmp_path, images=3, times=SUSPECT_FROM - 1)
    async with parts_in(tmp_path) as parts:
        await parts.dispatcher.run_once()
        assert sorted(await published(parts)) == sorted(image.trace_id for image in job.images)


async def test_suspects_go_first_and_each_alone_until_it_has_ended(tmp_path: Path):
    job = await died_with(tmp_path, images=2, times=SUSPECT_FROM)
    async with parts_in(tmp_path) as parts:
        newcomer = await parts.submitted(sent(a_jpeg()), sent(a_jpeg()))
        for image in job.images:
            for _ in range(3):
                await parts.dispatcher.run_once()
            assert await published(parts) == [image.trace_id]
            await parts.ledger.change(job.job_id, partial(complete, index=image.index))
        await parts.dispatcher.run_once()
        assert sorted(await published(parts)) == sorted(image.trace_id for image in newcomer.images)


async def test_a_suspect_that_came_back_from_its_attempt_holds_nobody_up(tmp_path: Path):
    """Rejected, or without a result: it did no harm, and what becomes of it is settled beside the others."""
    job = await died_with(tmp_path, images=1, times=SUSPECT_FROM)
    async with parts_in(tmp_path) as parts:
        newcomer = await parts.submitted(sent(a_jpeg()))
        await parts.dispatcher.run_once()
        await published(parts)
        await parts.jobs.take_back_publishes()
        await parts.dispatcher.run_once()
        assert sorted(await published(parts)) == sorted([job.images[0].trace_id, newcomer.images[0].trace_id])


async def test_a_suspect_that_was_cancelled_holds_nobody_up(tmp_path: Path):
    job = await died_with(tmp_path, images=1, times=SUSPECT_FROM)
    async with parts_in(tmp_path) as parts:
        await parts.dispatcher.run_once()
        await parts.ledger.change(job.job_id, lambda job: cancel(job, parts.clock.now()))
        newcomer = await parts.submitted(sent(a_jpeg()))
        await published(parts)
        await parts.dispatcher.run_once()
        assert await published(parts) == [newcomer.images[0].trace_id]


async def test_an_image_with_which_the_process_died_too_often_fails_at_the_next_start(tmp_path: Path):
    job = await died_with(tmp_path, images=1, times=2)
    async with parts_in(tmp_path, max_interruptions=2) as parts:
        await parts.dispatcher.run_once()
        assert await published(parts) == []
        ended = await parts.jobs.get(job.job_id)
    (image,) = ended.images
    assert (ended.status, image.status) == (Status.FAILED, Status.FAILED)
    assert image.failure is not None
    assert image.failure.code == "interrupted"
    assert image.failure.error == (
        "the gateway's process died 2 times with this image in work, so it is not tried again"
    )


async def test_images_that_failed_so_are_told_to_subscribers(tmp_path: Path):
    job = await died_with(tmp_path, images=1, times=1)
    async with parts_in(tmp_path, max_interruptions=1) as parts:
        await parts.dispatcher.run_once()
        events = await parts.jobs.events(job.job_id, after=0, limit=10)
    assert [event.type.value for event in events][-2:] == ["image_complete", "job_complete"]


async def test_a_start_counts_what_lay_in_the_broker_once_however_often_it_looks(tmp_path: Path):
    job = await died_with(tmp_path, images=1, times=1)
    async with parts_in(tmp_path) as parts:
        for _ in range(3):
            await parts.dispatcher.run_once()
        assert (await parts.jobs.get(job.job_id)).images[0].interruptions == 1


async def test_a_clean_stop_is_no_interruption(tmp_path: Path):
    job = await died_with(tmp_path, images=1, times=1)
    for _ in range(2):
        async with parts_in(tmp_path, max_interruptions=2) as parts:
            await parts.dispatcher.run_once()
            await take_back(parts.jobs)
    async with parts_in(tmp_path, max_interruptions=2) as parts:
        await parts.dispatcher.run_once()
        (image,) = (await parts.jobs.get(job.job_id)).images
    assert (image.status, image.interruptions) == (Status.PROCESSING, 1)
