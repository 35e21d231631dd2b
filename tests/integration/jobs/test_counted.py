"""What the services of jobs count of their work."""

from gateway.domain.job import Status
from gateway.jobs.processed import known_paths
from gateway.ports.broker import Queue
from gateway.ports.object_store import Bucket
from gateway.processor.tags import write_tags
from tests.builders import some_metadata
from tests.integration.jobs.batches import Linked
from tests.integration.jobs.downloads import fetched_once, fetching
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import a_published_job
from tests.integration.jobs.test_dead_letters import a_job_in_the_broker, reject_all
from tests.integration.jobs.test_pipeline import services, work
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg
from tests.servers.web import answer, web_server

TIMEOUT_S = 30


async def rescue(parts: Parts) -> None:
    async with services(parts):
        await work(parts, TIMEOUT_S + 1)
    await parts.rescuer.run_once()


async def test_attempts_are_counted_first_ones_apart(parts: Parts):
    await a_job_in_the_broker(parts)
    await reject_all(parts)
    await parts.dead_letters.run_once()
    parts.clock.turn(60)
    await parts.dispatcher.run_once()
    assert parts.measured("attempts_sent_total", number="first") == 1
    assert parts.measured("attempts_sent_total", number="again") == 1


async def test_the_time_until_the_first_place_in_the_broker_is_observed(parts: Parts):
    await parts.submitted(sent(a_jpeg()))
    parts.clock.turn(7)
    await parts.dispatcher.run_once()
    assert parts.measured("image_stage_seconds_sum", stage="waiting") == 7


async def test_dead_letters_of_ours_are_counted_and_others_are_shown(parts: Parts):
    await a_job_in_the_broker(parts)
    await reject_all(parts)
    for _ in range(2):
        await parts.broker.publish(Queue.DEAD_LETTER, b"not ours")
    await parts.dead_letters.run_once()
    assert parts.measured("dead_letters_total") == 1
    assert parts.measured("foreign_dead_letters") == 2


async def test_dead_letters_of_others_that_are_gone_are_shown_no_more(parts: Parts):
    await parts.broker.publish(Queue.DEAD_LETTER, b"not ours")
    await parts.dead_letters.run_once()
    async with parts.broker.sweep(Queue.DEAD_LETTER, limit=1) as sweep:
        await sweep.ack(sweep.deliveries[0])
    await parts.dead_letters.run_once()
    assert parts.measured("foreign_dead_letters") == 0


async def test_an_image_without_a_result_is_counted_by_what_became_of_it(tmp_path):
    async with parts_in(tmp_path, result_timeout_s=TIMEOUT_S, max_attempts=2) as parts:
        job = await a_published_job(parts, images=2)
        (_, path), *_ = known_paths(job.images[0])
        await parts.put(Bucket.PROCESSED, path, write_tags(a_jpeg(), some_metadata()))
        await rescue(parts)
        await parts.dispatcher.run_once()
        await rescue(parts)
        assert [image.status for image in (await parts.jobs.get(job.job_id)).images] == [
            Status.COMPLETED,
            Status.FAILED,
        ]
        counted = {
            how: parts.measured("images_rescued_total", how=how) for how in ("found", "again", "failed")
        }
        assert counted == {"found": 1, "again": 1, "failed": 1}


async def test_queues_and_the_window_are_shown_as_of_the_last_look(tmp_path):
    async with parts_in(tmp_path, window=10) as parts:
        await parts.submitted(*(sent(a_jpeg()) for _ in range(3)))
        await parts.dispatcher.run_once()
        async with services(parts, number=2):
            await parts.pipeline.run_once()
        assert parts.measured("queue_consumers", queue="metadata_generated") == 2
        assert parts.measured("queue_messages", queue="image_upload") is not None
        assert parts.measured("window_images_max") == 10
        assert parts.measured("window_images") == 3


async def test_each_try_of_a_download_that_fails_is_counted(parts: Parts):
    async with web_server({"/a.jpg": answer(503)}) as site, fetching(parts, site, tries=2) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")))
        await fetched_once(parts, fetcher, job)
        parts.clock.turn(60)
        await fetched_once(parts, fetcher, job)
    assert parts.measured("download_errors_total", code="download_failed") == 2
