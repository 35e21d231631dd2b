"""What workers of ours give up, on a real RabbitMQ: it arrives with its reason, and holds up no worker for ever."""

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.background import Background
from gateway.consuming import Hopeless, Workers
from gateway.messages import FAILURE_CODE, REJECT_REASON
from gateway.ports.broker import Broker, Delivery, Queue
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import WorkerMetrics
from tests.deliveries import eventually, lying_in, publish, settings_for
from tests.servers.wire import wire


async def refuse(_: Delivery) -> None:
    raise Hopeless("Größer als „groß“.", code="analysis_failed")


def workers_on(broker: Broker, instruments: Instruments) -> Workers:
    return Workers("analyzer", broker, Queue.IMAGE_UPLOAD, refuse, WorkerMetrics(instruments), 1)


async def test_a_message_that_is_given_up_arrives_with_its_headers_and_the_reason(rabbitmq_url: str) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url), name="rejects") as broker:
        await broker.publish(Queue.IMAGE_UPLOAD, b"a", {"metadata-policy": "{}"})
        async with Background().running(workers_on(broker, Instruments())):
            await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
        async with broker.sweep(Queue.DEAD_LETTER, limit=2) as sweep:
            (letter,) = sweep.deliveries
    assert letter.headers == {
        "metadata-policy": "{}",
        REJECT_REASON: "Größer als „groß“.",
        FAILURE_CODE: "analysis_failed",
    }


async def test_a_full_queue_of_dead_letters_that_refuses_keeps_no_worker_for_ever(rabbitmq_url: str) -> None:
    instruments = Instruments()

    async def both_are_done_with() -> bool:
        labels = {"worker": "analyzer", "outcome": "rejected"}
        return instruments.registry.get_sample_value("gateway_worker_messages_total", labels) == 2

    async with wire(rabbitmq_url) as line:
        await line.declare("dead_letter_queue", {"x-max-length": 1, "x-overflow": "reject-publish"})
        async with open_rabbitmq(settings_for(rabbitmq_url, publish_timeout_s=1.5), name="rejects") as broker:
            await publish(broker, Queue.DEAD_LETTER, "somebody else's")
            await publish(broker, Queue.IMAGE_UPLOAD, "a", "b")
            async with Background().running(workers_on(broker, instruments)):
                await eventually(both_are_done_with, within_s=60)
        await line.holds("image_upload", 0)
        await line.holds("dead_letter_queue", 1)
