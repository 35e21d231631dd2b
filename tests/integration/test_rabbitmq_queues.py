"""The queues at RabbitMQ: declared as all three services agree, and lived with when they stand otherwise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiormq
import pytest
from aiormq.abc import AbstractChannel
from pamqp.common import FieldTable
from structlog.testing import capture_logs

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.errors import Unavailable
from gateway.ports.broker import Broker, Queue, Unroutable
from tests.deliveries import bodies, eventually, lying_in, publish, settings_for, take, works
from tests.golden import golden
from tests.patience import PATIENCE_S
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.tcp_proxy import tcp_proxy


@asynccontextmanager
async def another_service(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def test_the_queues_of_a_fresh_broker_are_those_that_the_services_declare(rabbitmq_url: str) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url), name="first") as broker:
        assert not broker.warnings
    async with another_service(rabbitmq_url) as channel:
        for queue in golden("queues")[0]["queues"]:
            await channel.queue_declare(queue["name"], passive=True)
            await channel.queue_declare(queue["name"], durable=queue["durable"], arguments=queue["arguments"])


async def test_queues_bear_the_names_of_the_settings(rabbitmq_url: str) -> None:
    settings = settings_for(rabbitmq_url, image_upload_queue="up", dead_letter_queue="dead")
    async with (
        open_rabbitmq(settings, name="named") as broker,
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription,
        another_service(rabbitmq_url) as channel,
    ):
        await channel.basic_publish(b"hopeless", routing_key="up")
        [delivery] = await take(subscription, 1)
        await subscription.reject(delivery)
        await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
        assert (await channel.basic_get("dead")).body == b"hopeless"


async def test_a_queue_that_an_operator_has_mended_is_warned_of_no_more(rabbitmq_url: str) -> None:
    async with another_service(rabbitmq_url) as channel:
        await channel.queue_declare("image_upload", durable=True)
        async with open_rabbitmq(settings_for(rabbitmq_url), name="told") as broker:
            assert len(broker.warnings) == 1
            await channel.queue_delete("image_upload")
            await broker.check()
            assert not broker.warnings


async def test_a_queue_that_stands_otherwise_is_looked_at_now_and_then_alone(rabbitmq_url: str) -> None:
    """Each look is a line in the broker's log."""
    async with another_service(rabbitmq_url) as channel:
        await channel.queue_declare("image_upload", durable=True)
        async with open_rabbitmq(settings_for(rabbitmq_url), name="told") as broker:
            await broker.check()
            await channel.queue_delete("image_upload")
            await broker.check()
            assert len(broker.warnings) == 1


async def test_a_question_that_is_given_up_ends_at_once_and_costs_no_connection(rabbitmq_url: str) -> None:
    reconnects: list[None] = []

    async def ask_on_and_on(broker: Broker) -> None:
        while True:
            await asyncio.sleep(0)
            with suppress(Unavailable):
                await broker.depth(Queue.IMAGE_UPLOAD)

    async with open_rabbitmq(
        settings_for(rabbitmq_url), name="asking", on_reconnect=lambda: reconnects.append(None)
    ) as broker:
        for milliseconds in range(40):
            asking = asyncio.create_task(ask_on_and_on(broker))
            await asyncio.sleep(milliseconds / 4000)
            asking.cancel()
            done, _ = await asyncio.wait({asking}, timeout=PATIENCE_S)
            assert done
        assert await broker.check()
        assert reconnects == []


async def test_a_queue_that_we_may_not_consume_is_told_in_the_brokers_words(rabbitmq_url: str) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url), name="shut out") as broker:
        async with another_service(rabbitmq_url) as channel:

            async def ignore(_: object) -> None:
                return

            await channel.basic_consume("image_processed", ignore, exclusive=True)
            async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1):

                async def is_told() -> bool:
                    return any("image_processed: ACCESS_REFUSED" in line for line in broker.warnings)

                await eventually(is_told)
        async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1):
            assert broker.warnings == []


async def test_a_queue_that_stands_otherwise_is_used_and_told_in_the_brokers_words(
    rabbitmq: RabbitMQ, rabbitmq_url: str, rabbitmq_vhost: str
) -> None:
    async with another_service(rabbitmq_url) as channel:
        await channel.queue_declare("image_upload", durable=True)
        async with open_rabbitmq(settings_for(rabbitmq_url), name="second") as broker:
            [warning] = broker.warnings
            assert "image_upload" in warning
            assert "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange'" in warning
            async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
                await publish(broker, Queue.IMAGE_UPLOAD, "a")
                assert bodies(await take(subscription, 1)) == ["a"]
            await channel.queue_delete("image_upload")
            await rabbitmq.ctl("close_all_connections", "--vhost", rabbitmq_vhost, "queues are mended")

            async def is_mended() -> bool:
                return not broker.warnings

            await eventually(is_mended)


@pytest.fixture
async def limited_url(rabbitmq: RabbitMQ, rabbitmq_vhost: str) -> str:
    """Of a user who may write and read, but not declare."""
    await rabbitmq.ctl("add_user", rabbitmq_vhost, "secret")
    await rabbitmq.ctl("set_permissions", "--vhost", rabbitmq_vhost, rabbitmq_vhost, "^$", ".*", ".*")
    return f"amqp://{rabbitmq_vhost}:secret@127.0.0.1:{rabbitmq.port}/{rabbitmq_vhost}"


async def test_who_may_not_declare_uses_the_queues_that_are_there(
    rabbitmq_url: str, limited_url: str
) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url), name="operator"):
        pass
    async with open_rabbitmq(settings_for(limited_url), name="limited") as broker:
        assert len(broker.warnings) == len(Queue)
        assert all("ACCESS_REFUSED" in warning for warning in broker.warnings)
        await publish(broker, Queue.IMAGE_UPLOAD, "a")
        assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["a"]


async def test_a_message_for_a_queue_that_is_not_there_and_may_not_be_made_is_unroutable(
    limited_url: str,
) -> None:
    async with open_rabbitmq(settings_for(limited_url), name="limited") as broker:
        assert all("can't be used: NOT_FOUND" in warning for warning in broker.warnings)
        with pytest.raises(Unroutable):
            await publish(broker, Queue.IMAGE_UPLOAD, "a")


async def test_who_may_not_publish_is_told_and_goes_on_once_allowed(
    rabbitmq: RabbitMQ, rabbitmq_vhost: str, rabbitmq_url: str, limited_url: str
) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url), name="operator"):
        pass
    permit = ("set_permissions", "--vhost", rabbitmq_vhost, rabbitmq_vhost, "^$")
    await rabbitmq.ctl(*permit, "^$", ".*")
    reconnects: list[None] = []
    async with open_rabbitmq(
        settings_for(limited_url, publish_timeout_s=1.5),
        name="limited",
        on_reconnect=lambda: reconnects.append(None),
    ) as broker:
        with pytest.raises(Unavailable, match="ACCESS_REFUSED"):
            await publish(broker, Queue.IMAGE_UPLOAD, "a")
        await rabbitmq.ctl(*permit, ".*", ".*")
        await publish(broker, Queue.IMAGE_UPLOAD, "b")
    assert not reconnects


@pytest.mark.parametrize("connect_timeout_s", [10.0, 1.0])
async def test_queues_that_are_out_of_order_keep_no_other_from_use(
    rabbitmq: RabbitMQ, rabbitmq_vhost: str, rabbitmq_url: str, connect_timeout_s: float
) -> None:
    settings = settings_for(rabbitmq_url, connect_timeout_s=connect_timeout_s)
    async with open_rabbitmq(settings_for(rabbitmq_url), name="before"):
        pass
    for name in ("dead_letter_queue", "image_processed.foreign"):
        rabbitmq.wreck_queue(rabbitmq_vhost, name)
    reconnects: list[None] = []
    async with (
        open_rabbitmq(settings, name="after", on_reconnect=lambda: reconnects.append(None)) as broker,
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription,
    ):
        await publish(broker, Queue.IMAGE_UPLOAD, "a")
        assert bodies(await take(subscription, 1)) == ["a"]
        await eventually(lambda: works(broker))
        assert sorted(broker.warnings) == [
            "the queue dead_letter_queue can't be used: no answer in time",
            "the queue image_processed.foreign can't be used: no answer in time",
        ]
        for queue in (Queue.DEAD_LETTER, Queue.FOREIGN):
            with pytest.raises(Unavailable):
                await broker.depth(queue)
        with pytest.raises(Unavailable):
            await lying_in(broker, Queue.DEAD_LETTER)
        assert await works(broker)
        await publish(broker, Queue.IMAGE_UPLOAD, "b")
    assert not reconnects


async def test_a_queue_that_takes_messages_again_is_out_of_order_no_more(
    rabbitmq: RabbitMQ, rabbitmq_vhost: str, rabbitmq_url: str
) -> None:
    queues = (Queue.IMAGE_UPLOAD, Queue.METADATA_GENERATED)  # a worker's, which asks no queue how deep it is
    async with open_rabbitmq(settings_for(rabbitmq_url), name="before", queues=queues):
        pass
    rabbitmq.wreck_queue(rabbitmq_vhost, "metadata_generated")
    async with open_rabbitmq(settings_for(rabbitmq_url), name="after", queues=queues) as broker:
        await eventually(lambda: works(broker))
        assert broker.warnings == ["the queue metadata_generated can't be used: no answer in time"]
        rabbitmq.clear_wreck(rabbitmq_vhost, "metadata_generated")
        async with another_service(rabbitmq_url) as channel:
            await channel.queue_declare("metadata_generated", durable=True)
        await publish(broker, Queue.METADATA_GENERATED, "a")
        assert not broker.warnings


async def test_a_queue_that_can_be_used_again_is_no_warning_any_more(
    rabbitmq_url: str, limited_url: str
) -> None:
    async with open_rabbitmq(settings_for(limited_url), name="limited") as broker:
        assert len(broker.warnings) == len(Queue)
        async with open_rabbitmq(settings_for(rabbitmq_url), name="operator"):
            pass
        await broker.depth(Queue.IMAGE_UPLOAD)
        assert not any("image_upload" in warning for warning in broker.warnings)


async def test_a_message_that_a_full_queue_refuses_is_sent_again_within_the_deadline(
    rabbitmq_url: str,
) -> None:
    async with another_service(rabbitmq_url) as channel:
        full: FieldTable = {"x-max-length": 1, "x-overflow": "reject-publish"}
        await channel.queue_declare("image_upload", durable=True, arguments=full)
        async with open_rabbitmq(settings_for(rabbitmq_url, publish_timeout_s=2), name="patient") as broker:
            await publish(broker, Queue.IMAGE_UPLOAD, "first")
            with pytest.raises(Unavailable, match="did not confirm"):
                await publish(broker, Queue.IMAGE_UPLOAD, "refused")
            late = asyncio.create_task(publish(broker, Queue.IMAGE_UPLOAD, "late"))
            async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
                await subscription.ack(await take(subscription, 1))
                await late
                assert bodies(await take(subscription, 1)) == ["late"]


async def test_a_queue_that_was_deleted_is_made_again_by_the_next_message(rabbitmq_url: str) -> None:
    async with (
        open_rabbitmq(settings_for(rabbitmq_url), name="patient") as broker,
        another_service(rabbitmq_url) as channel,
    ):
        await channel.queue_delete("image_upload")
        await publish(broker, Queue.IMAGE_UPLOAD, "a")
        assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["a"]


async def test_a_queue_that_was_deleted_is_made_again_by_a_question_for_its_depth(rabbitmq_url: str) -> None:
    async with (
        open_rabbitmq(settings_for(rabbitmq_url), name="patient") as broker,
        another_service(rabbitmq_url) as channel,
    ):
        await channel.queue_delete("dead_letter_queue")
        assert (await broker.depth(Queue.DEAD_LETTER)).messages == 0
        assert await lying_in(broker, Queue.DEAD_LETTER) == []


async def test_a_consumer_whose_queue_is_deleted_goes_on_with_a_new_one(rabbitmq_url: str) -> None:
    async with (
        open_rabbitmq(settings_for(rabbitmq_url), name="patient") as broker,
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription,
        another_service(rabbitmq_url) as channel,
    ):
        await publish(broker, Queue.IMAGE_UPLOAD, "gone")
        [gone] = await take(subscription, 1)
        await channel.queue_delete("image_upload")

        async def consumes_again() -> bool:
            return (await broker.depth(Queue.IMAGE_UPLOAD)).consumers == 1

        await eventually(consumes_again)
        await subscription.ack([gone])
        await publish(broker, Queue.IMAGE_UPLOAD, "new")
        assert bodies(await take(subscription, 1)) == ["new"]


async def test_a_channel_that_the_broker_ends_is_told_in_its_words_and_comes_again(
    rabbitmq: RabbitMQ, rabbitmq_url: str
) -> None:
    with rabbitmq.impatience(0.3), capture_logs() as lines:
        async with (
            open_rabbitmq(settings_for(rabbitmq_url), name="slow") as broker,
            broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1) as subscription,
        ):
            await publish(broker, Queue.IMAGE_PROCESSED, "a")
            await take(subscription, 1)
            assert bodies(await take(subscription, 1)) == ["a"]
    [told] = [line for line in lines if line["log_level"] == "warning"][:1]
    assert (told["event"], told["queue"]) == ("not consuming", "image_processed")
    assert "PRECONDITION_FAILED - delivery acknowledgement on channel" in told["reason"]


async def test_many_acks_are_few_frames(rabbitmq: RabbitMQ, rabbitmq_vhost: str) -> None:
    number = 500
    async with tcp_proxy(rabbitmq.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/{rabbitmq_vhost}"
        async with open_rabbitmq(settings_for(url), name="grouped") as broker:
            await publish(broker, Queue.IMAGE_PROCESSED, *map(str, range(number)))
            async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=number) as subscription:
                deliveries = await take(subscription, number)
                before = proxy.bytes_from_clients
                await subscription.ack(deliveries[:2] + deliveries[3:])

                async def unsettled_is_one() -> bool:
                    listed = await rabbitmq.ctl(
                        "list_queues", "--vhost", rabbitmq_vhost, "name", "messages_unacknowledged"
                    )
                    return "image_processed\t1\n" in listed

                await eventually(unsettled_is_one)
                first_frames = proxy.bytes_from_clients - before
                await subscription.ack(deliveries)
            assert await lying_in(broker, Queue.IMAGE_PROCESSED) == []
            assert first_frames > number * 20
            async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=number) as subscription:
                await publish(broker, Queue.IMAGE_PROCESSED, *map(str, range(number)))
                deliveries = await take(subscription, number)
                before = proxy.bytes_from_clients
                await subscription.ack(deliveries)
                assert (await broker.depth(Queue.IMAGE_PROCESSED)).messages == 0
                assert proxy.bytes_from_clients - before < 1000
            assert await lying_in(broker, Queue.IMAGE_PROCESSED) == []


async def test_publishes_that_are_cancelled_mix_up_no_confirm(rabbitmq_url: str) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url), name="cancelled") as broker:
        confirmed: list[str] = []

        async def publish_one(number: int) -> None:
            await publish(broker, Queue.IMAGE_UPLOAD, str(number))
            confirmed.append(str(number))

        tasks = [asyncio.create_task(publish_one(number)) for number in range(600)]
        for pauses, task in enumerate(tasks[::3]):
            task.cancel()
            for _ in range(pauses % 5):
                await asyncio.sleep(0)
        await asyncio.wait(tasks)
        assert set(confirmed) >= {str(number) for number in range(600) if number % 3}
        async with broker.sweep(Queue.IMAGE_UPLOAD, limit=1000) as sweep:
            lying = bodies(sweep.deliveries)
        assert len(lying) == len(set(lying))
        assert set(lying) >= set(confirmed)


async def test_a_sweep_holds_no_more_bytes_than_allowed(rabbitmq_url: str) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url, sweep_max_bytes=10), name="bounded") as broker:
        await publish(broker, Queue.DEAD_LETTER, "first!", "second", "third!")
        assert await lying_in(broker, Queue.DEAD_LETTER) == ["first!", "second"]
        assert (await broker.depth(Queue.DEAD_LETTER)).messages == 3


async def test_a_sweep_whose_connection_is_lost_gives_all_back(
    rabbitmq: RabbitMQ, rabbitmq_vhost: str
) -> None:
    async with tcp_proxy(rabbitmq.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/{rabbitmq_vhost}"
        async with open_rabbitmq(settings_for(url), name="cut") as broker:
            await publish(broker, Queue.DEAD_LETTER, "a", "b")
            async with broker.sweep(Queue.DEAD_LETTER, limit=10) as sweep:
                proxy.cut()
                await eventually(lambda: is_lost(broker))
                await sweep.ack(sweep.deliveries[0])

            async def lie_there_again() -> bool:
                try:
                    return await lying_in(broker, Queue.DEAD_LETTER) == ["a", "b"]
                except Unavailable:
                    return False

            await eventually(lie_there_again)


async def is_lost(broker: Broker) -> bool:
    try:
        await broker.depth(Queue.DEAD_LETTER)
    except Unavailable:
        return True
    return False
