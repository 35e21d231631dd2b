import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from attrs import define, evolve, field

from gateway.adapters.broker.settings import BrokerSettings
from gateway.domain.attempt import AttemptName, parse_attempt
from gateway.domain.job import Job, Stage, Status
from gateway.domain.options import BatchOptions
from gateway.domain.transitions import attempt_rejected
from gateway.errors import Unavailable
from gateway.jobs.pipeline import LEAST_WINDOW
from gateway.jobs.sending.confirms import Confirms
from gateway.messages import METADATA_POLICY, ImageUpload, decode, decode_policy
from gateway.metadata import FieldPolicy, MetadataPolicy
from gateway.ports.broker import Delivery, Queue
from tests.builders import a_failure, an_accepted_job, attempt_failed
from tests.golden import golden
from tests.integration.jobs.brokers import RememberingBroker
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.stores import Watched, down
from tests.integration.jobs.test_pipeline import services
from tests.integration.jobs.test_submit import sent
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, a_png


async def published_in(parts: Parts) -> list[ImageUpload]:
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        return [decode(ImageUpload, delivery.body) for delivery in sweep.deliveries]


async def test_an_accepted_image_is_published_as_the_running_gateway_does(parts: Parts):
    job = await parts.submitted(sent(a_jpeg(), "Zürich – 北京.JPG"))
    await parts.dispatcher.run_once()
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        (delivery,) = sweep.deliveries
    body = orjson.loads(delivery.body)
    (real,) = golden("image_upload.accepted")
    assert {name: type(value) for name, value in body.items()} == {
        name: type(value) for name, value in orjson.loads(real["body"]).items()
    }
    (image,) = job.images
    assert image.original is not None
    assert body["trace_id"] == image.trace_id
    assert body["trace_id"].startswith("b-")
    assert body["group_id"] == job.job_id
    assert body["telegram_username"] == f"batch_{job.job_id}"
    assert body["telegram_id"] == 0
    assert body["original_path"] == image.original.key
    assert body["original_filename"] == "Zürich – 北京.jpg"


async def test_what_was_said_of_words_that_are_there_goes_along_as_a_header_at_every_attempt(tmp_path: Path):
    said = MetadataPolicy(title=FieldPolicy.KEEP, keywords=FieldPolicy.REPLACE)
    async with parts_in(tmp_path, metadata_options="allowed") as parts:
        job = await parts.submitted(sent(a_jpeg()), BatchOptions(said))
        await parts.dispatcher.run_once()
        first = await the_upload_in(parts)
        parts.clock.turn(1)
        name = AttemptName(job.images[0].trace_id, 1)
        await parts.ledger.change(
            job.job_id,
            lambda job: attempt_rejected(job, name, a_failure(), parts.settings.attempts, parts.clock.now()),
        )
        parts.clock.turn(60)
        await parts.dispatcher.run_once()
        second = await the_upload_in(parts)
    assert decode(ImageUpload, second.body).trace_id == f"{name}-a2"
    assert [decode_policy(upload.headers[METADATA_POLICY]) for upload in (first, second)] == [said, said]


async def test_where_nothing_was_said_a_message_has_no_header_of_ours(parts: Parts):
    await parts.submitted(sent(a_jpeg()), BatchOptions())
    await parts.dispatcher.run_once()
    assert (await the_upload_in(parts)).headers == {}


async def test_the_body_of_a_message_is_the_contracts_also_where_something_was_said(tmp_path: Path):
    (real,) = golden("image_upload.accepted")
    async with parts_in(tmp_path, metadata_options="allowed") as parts:
        await parts.submitted(sent(a_jpeg()), BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP)))
        await parts.dispatcher.run_once()
        assert orjson.loads((await the_upload_in(parts)).body).keys() == orjson.loads(real["body"]).keys()


async def the_upload_in(parts: Parts) -> Delivery:
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        (delivery,) = sweep.deliveries
        await sweep.ack(delivery)
    return delivery


async def test_an_image_is_processing_once_its_publish_is_confirmed(parts: Parts):
    job = await parts.submitted(sent(a_jpeg()))
    assert job.status is Status.PENDING
    await parts.dispatcher.run_once()
    job = await parts.jobs.get(job.job_id)
    assert (job.status, job.images[0].status, job.images[0].stage) == (
        Status.PROCESSING,
        Status.PROCESSING,
        Stage.RESULT,
    )
    assert job.images[0].start_time == parts.clock.now()


async def test_no_image_is_published_twice(parts: Parts):
    await parts.submitted(sent(a_jpeg()))
    await parts.dispatcher.run_once()
    await parts.dispatcher.run_once()
    assert len(await published_in(parts)) == 1


async def test_a_png_goes_under_a_safe_name_that_ends_in_png(parts: Parts):
    await parts.submitted(sent(a_png(), "../../up.jpg"))
    await parts.dispatcher.run_once()
    (message,) = await published_in(parts)
    assert message.original_filename == "up.png"


async def test_no_more_than_the_window_lie_in_the_broker_and_jobs_take_turns(tmp_path):
    async with parts_in(tmp_path, window=4) as parts:
        big = await parts.submitted(*(sent(a_jpeg()) for _ in range(10)))
        parts.clock.turn(1)
        small = await parts.submitted(sent(a_jpeg()))
        await parts.dispatcher.run_once()
        messages = await published_in(parts)
        assert len(messages) == 4
        assert [message.group_id for message in messages].count(small.job_id) == 1
        await parts.dispatcher.run_once()
        assert len(await published_in(parts)) == 4
    assert big.counts.total == 10


async def test_what_was_stored_and_not_confirmed_is_published_after_a_crash(tmp_path):
    async with parts_in(tmp_path) as parts:
        job = await parts.submitted(sent(a_jpeg()))
    async with parts_in(tmp_path) as parts:
        await parts.dispatcher.run_once()
        assert [message.group_id for message in await published_in(parts)] == [job.job_id]


async def test_in_a_full_window_each_place_that_is_freed_goes_to_the_next_job(tmp_path):
    async with parts_in(tmp_path, window=4) as parts:
        await parts.submitted(*(sent(a_jpeg()) for _ in range(20)))
        dispatcher = parts.dispatcher
        await dispatcher.run_once()
        small = await parts.submitted(sent(a_jpeg()))
        big = await parts.submitted(*(sent(a_jpeg()) for _ in range(20)))
        order: list[str] = []
        for _ in range(4):
            first = (await published_in(parts))[0]
            await end(parts, first)
            await dispatcher.run_once()
            order.append((await published_in(parts))[-1].group_id)
        assert order.index(small.job_id) < 2
        assert big.job_id in order


async def test_the_queues_are_looked_at_before_the_first_publish(tmp_path):
    async with parts_in(tmp_path) as parts, services(parts, 10):
        await parts.submitted(*(sent(a_jpeg()) for _ in range(50)))
        await parts.dispatcher.run_once()
        assert await parts.jobs.in_flight() == 2 * (10 + 10)


async def test_images_for_which_the_window_grew_are_published(tmp_path):
    async with parts_in(tmp_path) as parts:
        await parts.submitted(*(sent(a_jpeg()) for _ in range(50)))
        await parts.dispatcher.run_once()
        assert await parts.jobs.in_flight() == LEAST_WINDOW
        async with services(parts, 10):
            await parts.pipeline.run_once()
            await parts.dispatcher.run_once()
            assert await parts.jobs.in_flight() == 40


async def accepted(parts: Parts, jobs: int, images: int) -> list[str]:
    """So many jobs whose originals nobody will read."""
    changes = [an_accepted_job(images, now=parts.clock.now()) for _ in range(jobs)]
    for change in changes:
        await parts.ledger.add(change, reserved=[])
    return [change.job.job_id for change in changes]


async def work_off(parts: Parts, rounds: int) -> list[str]:
    """The pipeline takes what lies there and answers, again and again; the jobs in the order of their publishes."""
    order: list[str] = []
    for _ in range(rounds):
        await parts.dispatcher.run_once()
        for message in await published_in(parts):
            order.append(message.group_id)
            await end(parts, message)
    return order


async def test_a_batch_of_one_behind_a_hundred_of_a_hundred_gets_its_turn(tmp_path):
    async with parts_in(tmp_path, window=8) as parts:
        await accepted(parts, jobs=100, images=100)
        await work_off(parts, 1)
        (small,) = await accepted(parts, jobs=1, images=1)
        order = await work_off(parts, 13)
        assert len(order) == 13 * 8
        assert small in order
        assert len(set(order)) == 101


async def test_no_more_jobs_than_the_bound_run_at_once_and_the_oldest_come_first(tmp_path):
    async with parts_in(tmp_path, window=8, max_running_jobs=3) as parts:
        jobs = await accepted(parts, jobs=10, images=5)
        order = await work_off(parts, 1)
        assert set(order) == set(jobs[:3])
        assert Counter(order) == {jobs[0]: 3, jobs[1]: 3, jobs[2]: 2}
        order += await work_off(parts, 1)
        assert set(order[8:15]) == set(jobs[:3])
        assert len(set(order)) <= 4


async def test_jobs_beyond_the_bound_get_their_turn_when_others_have_ended(tmp_path):
    async with parts_in(tmp_path, window=8, max_running_jobs=3) as parts:
        jobs = await accepted(parts, jobs=10, images=5)
        most = 0
        order: list[str] = []
        for _ in range(50):
            await parts.dispatcher.run_once()
            most = max(most, (await parts.jobs.page(limit=1, status=Status.PROCESSING)).total)
            for message in (await published_in(parts))[:1]:
                order.append(message.group_id)
                await end(parts, message)
        assert most == 3
        served = list(dict.fromkeys(order))
        assert set(served[:3]) == set(jobs[:3])  # published side by side
        assert served[3:] == jobs[3:]


async def end(parts: Parts, message: ImageUpload) -> None:
    """Take the message from the queue, and let its image fail."""
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=1) as sweep:
        await sweep.ack(sweep.deliveries[0])
    name = parse_attempt(message.trace_id, "b")
    assert name is not None
    failure, now = a_failure(), parts.clock.now()
    await parts.ledger.change(message.group_id, lambda job: attempt_failed(job, name, failure, now))


@define(eq=False)
class DownForAWhile(Watched):
    """Down for so many changes."""

    failures_left: int

    async def before(self, job_id: str) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise down()

    async def get(self, job_id: str) -> Job:
        return await self.jobs.get(job_id)

    async def check(self) -> str:
        if self.failures_left:
            raise down()
        return await self.jobs.check()


@pytest.mark.parametrize("failures", [1, 2, 3])
async def test_confirms_that_can_not_be_committed_are_told_and_published_again(tmp_path, failures):
    async with parts_in(tmp_path, window=100) as parts:
        parts.broker = RememberingBroker()
        jobs = await accepted(parts, jobs=2, images=3)
        store = DownForAWhile(parts.jobs, failures)
        ledger = evolve(parts.ledger, store=store)  # type: ignore[arg-type]  # the dispatcher updates alone
        dispatcher = evolve(parts.dispatcher, ledger=ledger)
        rounds = 0
        while store.failures_left:
            rounds += 1
            with pytest.raises(Unavailable):
                await dispatcher.run_once()
        await dispatcher.run_once()
        assert await parts.jobs.in_flight() == 6
        assert rounds >= 1
        sent = Counter(message.trace_id for message in await published_in(parts))
        assert len(sent) == 6
        assert max(sent.values()) <= rounds + 1
        await dispatcher.run_once()
        assert sum(sent.values()) == len(await published_in(parts))
        assert {(await parts.jobs.get(job_id)).status for job_id in jobs} == {Status.PROCESSING}


async def test_while_the_store_commits_nothing_messages_do_not_pile_up_in_the_broker(parts: Parts):
    parts.broker = RememberingBroker()
    await parts.submitted(*(sent(a_jpeg()) for _ in range(3)))
    store = DownForAWhile(parts.jobs, failures_left=1000)
    ledger = evolve(parts.ledger, store=store)  # type: ignore[arg-type]  # the dispatcher updates alone
    dispatcher = evolve(parts.dispatcher, ledger=ledger, jobs=store)  # type: ignore[arg-type]  # gets and checks
    for _ in range(5):
        with pytest.raises(Unavailable):
            await dispatcher.run_once()
    assert len(await published_in(parts)) == 3
    store.failures_left = 0
    await dispatcher.run_once()
    assert await parts.jobs.in_flight() == 3


async def test_a_start_publishes_what_was_in_flight_whoever_looked_at_the_job_before(tmp_path):
    async with parts_in(tmp_path) as parts:
        job = await parts.submitted(sent(a_jpeg()))
        await parts.dispatcher.run_once()
    async with parts_in(tmp_path) as parts:
        await parts.latest.get(job.job_id)
        await parts.dispatcher.run_once()
        assert [message.group_id for message in await published_in(parts)] == [job.job_id]


async def test_a_publish_that_fails_keeps_no_other_from_counting(parts: Parts):
    parts.broker = RememberingBroker(BrokerSettings(max_messages_per_queue=2, publish_timeout_s=0.05))
    job = await parts.submitted(*(sent(a_jpeg()) for _ in range(3)))
    with pytest.raises(Unavailable):
        await parts.dispatcher.run_once()
    stages = [image.stage for image in (await parts.jobs.get(job.job_id)).images]
    assert Counter(stages) == {Stage.RESULT: 2, Stage.PUBLISH: 1}
    parts.broker.close()


async def test_a_stop_while_confirms_can_not_be_committed_ends_the_dispatcher(parts: Parts):
    store = DownForAWhile(parts.jobs, failures_left=1000)
    await stop_it_while_it_publishes(parts, store)


async def test_a_stop_while_images_are_published_commits_what_was_confirmed(parts: Parts):
    gate = Gate(parts.jobs)
    await stop_it_while_it_publishes(parts, gate, gate.opens.set)
    assert await parts.jobs.in_flight() == 2


async def test_a_stop_while_what_was_confirmed_is_committed_lets_that_end(parts: Parts):
    job, gate = await parts.submitted(sent(a_jpeg())), Gate(parts.jobs)
    confirms = Confirms(evolve(parts.ledger, store=gate), parts.clock)  # type: ignore[arg-type]

    async def publish() -> None:
        async with confirms.all_committed():
            confirms.add(job.job_id, AttemptName(job.images[0].trace_id, 1))

    task = asyncio.create_task(publish())
    await asyncio.sleep(0)
    task.cancel()
    gate.opens.set()
    await asyncio.wait([task], timeout=PATIENCE_S)
    assert task.cancelled()
    assert (await parts.jobs.get(job.job_id)).images[0].stage is Stage.RESULT


@define(eq=False)
class Gate(Watched):
    """Changes wait until it opens."""

    opens: asyncio.Event = field(factory=asyncio.Event)

    async def before(self, job_id: str) -> None:
        await self.opens.wait()


async def stop_it_while_it_publishes(
    parts: Parts, store: DownForAWhile | Gate, then: Callable[[], None] = lambda: None
) -> None:
    """Two images of three are confirmed; the queue has no room for the third."""
    parts.broker = RememberingBroker(BrokerSettings(max_messages_per_queue=2))
    await accepted(parts, jobs=1, images=3)
    ledger = evolve(parts.ledger, store=store)  # type: ignore[arg-type]  # the dispatcher updates alone
    task = asyncio.create_task(evolve(parts.dispatcher, ledger=ledger).run())
    async with asyncio.timeout(PATIENCE_S):
        while (await parts.broker.depth(Queue.IMAGE_UPLOAD)).messages < 2:
            await asyncio.sleep(0.01)
    task.cancel()
    then()
    await asyncio.wait([task], timeout=PATIENCE_S)
    assert task.cancelled()
    parts.broker.close()


async def test_a_job_that_is_deleted_before_its_confirm_is_no_trouble(parts: Parts):
    gone, kept = [await parts.submitted(sent(a_jpeg())) for _ in range(2)]
    confirms = Confirms(parts.ledger, parts.clock)
    await parts.jobs.delete(gone.job_id)
    async with confirms.all_committed():
        for job in (gone, kept):
            confirms.add(job.job_id, AttemptName(job.images[0].trace_id, 1))
    assert (await parts.jobs.get(kept.job_id)).images[0].stage is Stage.RESULT
