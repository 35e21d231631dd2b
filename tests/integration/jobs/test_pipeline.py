"""What the pipeline's watch tells of queues that others consume."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from attrs import define, evolve

from gateway.errors import Unavailable
from gateway.jobs.pipeline import LEAST_WINDOW, Pipeline
from gateway.ports.broker import Broker, Queue, QueueDepth
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg


@asynccontextmanager
async def consumers(parts: Parts, queue: Queue, number: int = 1) -> AsyncIterator[None]:
    """So many who take what comes; they settle nothing."""
    async with AsyncExitStack() as stack:
        for _ in range(number):
            await stack.enter_async_context(parts.broker.subscribe(queue, prefetch=1))
        yield


@asynccontextmanager
async def services(parts: Parts, number: int = 1) -> AsyncIterator[None]:
    """So many analyzers and processors."""
    async with (
        consumers(parts, Queue.IMAGE_UPLOAD, number),
        consumers(parts, Queue.METADATA_GENERATED, number),
    ):
        yield


async def work(parts: Parts, seconds: float) -> None:
    """Let time go by, with a look at each second."""
    await parts.pipeline.run_once()
    for _ in range(int(seconds)):
        parts.clock.turn(1)
        await parts.pipeline.run_once()


@define(eq=False)
class Outage:
    """The real broker, unless it or one of its queues is down."""

    broker: Broker
    is_down: bool = True
    out_of_order: Queue | None = None

    async def depth(self, queue: Queue) -> QueueDepth:
        if self.is_down or queue is self.out_of_order:
            raise Unavailable("The broker is down.")
        return await self.broker.depth(queue)


def beside_an_outage(parts: Parts) -> tuple[Pipeline, Outage]:
    outage = Outage(parts.broker)
    return evolve(parts.pipeline, broker=outage), outage  # type: ignore[arg-type]  # it asks for depths alone


# The window


async def test_the_window_is_small_and_not_empty_without_consumers(parts: Parts):
    await parts.pipeline.run_once()
    assert parts.pipeline.window == LEAST_WINDOW


async def test_the_window_is_twice_what_the_services_take_in_hand(tmp_path):
    async with parts_in(tmp_path, consumer_prefetch=2) as parts, services(parts, 3):
        await parts.pipeline.run_once()
        assert parts.pipeline.window == 2 * (3 + 3) * 2


async def test_a_window_that_is_set_is_not_changed_by_consumers(tmp_path):
    async with parts_in(tmp_path, window=5) as parts, services(parts, 30):
        await parts.pipeline.run_once()
        assert parts.pipeline.window == 5


async def test_those_who_publish_are_woken_when_the_window_grows_and_only_then(parts: Parts):
    bell = parts.ledger.work.bell()
    await parts.pipeline.run_once()
    assert not bell.is_set()
    async with services(parts, 3):
        await parts.pipeline.run_once()
        assert bell.is_set()
        bell.clear()
        await parts.pipeline.run_once()
        assert not bell.is_set()


async def test_the_window_stays_as_it_was_while_the_broker_does_not_answer(parts: Parts):
    pipeline, outage = beside_an_outage(parts)
    outage.is_down = False
    async with services(parts, 5):
        await pipeline.run_once()
    outage.is_down = True
    await pipeline.run_once()
    assert pipeline.window == 20


# Working time


async def test_time_counts_while_both_services_consume(parts: Parts):
    async with services(parts):
        await work(parts, 10)
    assert parts.pipeline.overdue_before(10) is not None
    assert parts.pipeline.overdue_before(11) is None


async def test_time_without_an_analyzer_or_without_a_processor_does_not_count(parts: Parts):
    for queue in (Queue.IMAGE_UPLOAD, Queue.METADATA_GENERATED):
        async with consumers(parts, queue):
            await work(parts, 10)
    assert parts.pipeline.overdue_before(0.1) is None


async def test_time_in_which_the_broker_does_not_answer_does_not_count(parts: Parts):
    pipeline, outage = beside_an_outage(parts)
    async with services(parts):
        for is_down in (False, True, True, False):
            outage.is_down = is_down
            await pipeline.run_once()
            parts.clock.turn(1)
    assert pipeline.overdue_before(0.1) is None


@pytest.mark.parametrize("queue", [Queue.DEAD_LETTER, Queue.FOREIGN])
async def test_a_queue_aside_that_is_out_of_order_stops_nobody(parts: Parts, queue: Queue):
    pipeline, outage = beside_an_outage(parts)
    outage.is_down, outage.out_of_order = False, queue
    async with services(parts):
        await pipeline.run_once()
        assert pipeline.is_working
        assert pipeline.warnings() == []


async def test_a_pause_of_the_process_does_not_count(parts: Parts):
    async with services(parts):
        await work(parts, 1)
        parts.clock.turn(3600)
        await work(parts, 1)
    assert parts.pipeline.overdue_before(60) is None


# What it tells


async def test_the_depths_are_told_in_a_line(parts: Parts):
    await parts.broker.publish(Queue.IMAGE_UPLOAD, b"one")
    async with consumers(parts, Queue.METADATA_GENERATED, 2):
        await parts.pipeline.run_once()
    assert (
        parts.pipeline.depths_text()
        == "image_upload: 1 message, 0 consumers; metadata_generated: 0 messages, 2 consumers"
    )


async def test_a_broker_that_does_not_answer_is_told_with_what_was_known_before(parts: Parts):
    pipeline, outage = beside_an_outage(parts)
    await pipeline.run_once()
    assert pipeline.depths_text() == "the message broker has not answered yet"
    outage.is_down = False
    await pipeline.run_once()
    outage.is_down = True
    await pipeline.run_once()
    assert pipeline.depths_text().startswith(
        "the message broker does not answer; before that: image_upload: 0"
    )


async def test_there_is_nothing_to_warn_of_when_nothing_waits(parts: Parts):
    await work(parts, 3)
    assert parts.pipeline.warnings() == []


async def test_a_queue_that_nobody_consumes_while_images_of_ours_wait_is_warned_of_with_its_time(
    parts: Parts,
):
    await parts.submitted(sent(a_jpeg()))
    await parts.dispatcher.run_once()
    await parts.pipeline.run_once()
    parts.clock.turn(60)
    await parts.pipeline.run_once()
    (line,) = parts.pipeline.warnings()
    assert line == (
        "nobody consumes image_upload since 2025-11-18T10:30:00Z, where images of ours wait (1 message): "
        "is the analyzer running?"
    )
    async with services(parts):
        await parts.pipeline.run_once()
        assert parts.pipeline.warnings() == []


async def test_queues_are_told_by_the_names_that_the_operator_gave_them(parts: Parts):
    pipeline = evolve(parts.pipeline, queue_name=lambda queue: f"ours.{queue}")
    await parts.submitted(sent(a_jpeg()))
    await parts.dispatcher.run_once()
    async with consumers(parts, Queue.IMAGE_PROCESSED, 2):
        await pipeline.run_once()
        await pipeline.run_once()
    idle, rival = pipeline.warnings()
    assert idle.startswith("nobody consumes ours.image_upload since")
    assert rival.startswith("ours.image_processed has 2 consumers")
    assert pipeline.depths_text().startswith("ours.image_upload: 1 message")


async def test_others_images_that_wait_are_not_ours_to_warn_of(parts: Parts):
    await parts.broker.publish(Queue.METADATA_GENERATED, b"theirs")
    await work(parts, 3)
    assert parts.pipeline.warnings() == []


async def test_a_second_consumer_of_our_results_is_warned_of_when_it_is_seen_twice(parts: Parts):
    async with consumers(parts, Queue.IMAGE_PROCESSED, 2):
        await parts.pipeline.run_once()
        assert parts.pipeline.warnings() == []
        await parts.pipeline.run_once()
        (line,) = parts.pipeline.warnings()
        assert "takes a share of our results" in line
    async with consumers(parts, Queue.IMAGE_PROCESSED):
        await parts.pipeline.run_once()
        assert parts.pipeline.warnings() == []
