"""What the RabbitMQ adapter decides without a broker: addresses, headers, silence, losses, groups of acks."""

import asyncio
import math
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiormq.abc import TaskWrapper
from aiormq.exceptions import AMQPConnectionError, ChannelNotFoundEntity
from hypothesis import given
from hypothesis import strategies as st
from pamqp import encode

from gateway.adapters.broker.rabbitmq.address import address_of
from gateway.adapters.broker.rabbitmq.errors import ConnectionLost, losses_told
from gateway.adapters.broker.rabbitmq.headers import carried
from gateway.adapters.broker.rabbitmq.holding import oldest_run
from gateway.adapters.broker.rabbitmq.questions import Questions
from gateway.adapters.broker.settings import BrokerSettings


@pytest.mark.parametrize(
    ("url", "vhost", "expected"),
    [
        ("amqp://u:p@mq/", "", "mq:5672, vhost /"),
        ("amqp://u:p@mq", "", "mq:5672, vhost /"),
        ("amqp://u:p@mq:5000/%2F", "", "mq:5000, vhost /"),
        ("amqps://u:p@mq/images", "", "mq:5671, vhost images"),
        ("amqp://u:p@mq/images", "/", "mq:5672, vhost /"),
        ("amqp://u:p@mq/images", "a/b c", "mq:5672, vhost a/b c"),
        ("amqp://u:p@[::1]/", "", "::1:5672, vhost /"),
    ],
)
def test_an_address_says_where_and_not_as_whom(url: str, vhost: str, expected: str) -> None:
    address = address_of(BrokerSettings(kind="rabbitmq", url=url, vhost=vhost))
    assert str(address) == expected


def test_a_connection_has_its_name_and_whole_seconds_between_heartbeats() -> None:
    settings = BrokerSettings(kind="rabbitmq", url="amqp://mq/?heartbeat=600", heartbeat_s=1.5)
    assert address_of(settings).url_as("gateway-publish").query == {
        "heartbeat": "2",
        "name": "gateway-publish",
    }


@given(st.dictionaries(st.text(max_size=200), st.from_type(object) | st.integers() | st.text()))
def test_whatever_the_headers_are_what_is_left_of_them_can_be_sent(headers: dict[str, object]) -> None:
    assert len(encode.field_table(carried(headers))) < 100_000


def test_deaths_are_headers_that_can_be_sent() -> None:
    headers = {"x-death": [{"count": 2, "time": datetime(2026, 1, 2, tzinfo=UTC), "routing-keys": ["a"]}]}
    assert carried(headers) == headers


NOT_TO_BE_SENT = [
    object(),
    (1,),
    {"nested": object()},
    2**80,
    1e300,
    math.inf,
    {"nested": [math.nan]},
    Decimal("NaN"),
    "x" * 70_000,
]


@pytest.mark.parametrize("value", NOT_TO_BE_SENT)
def test_a_header_that_can_not_be_sent_is_left_out(value: object) -> None:
    assert carried({"first": 1, "bad": value, "last": 2}) == {"first": 1, "last": 2}


@given(st.lists(st.integers(1, 30), unique=True).map(sorted), st.sets(st.integers(1, 30)))
def test_one_frame_settles_the_oldest_and_no_other(unsettled: list[int], tags: set[int]) -> None:
    run = oldest_run(unsettled, tags)
    assert list(run) == unsettled[: len(run)]
    assert tags.issuperset(run)
    assert not set(unsettled[len(run) : len(run) + 1]) & tags  # no longer run is possible


class TestSilence:
    """Of a connection that was asked something."""

    def setup_method(self) -> None:
        self.time = 100.0
        self.questions = Questions(lambda: self.time)

    def test_begins_with_a_question(self) -> None:
        self.time += 50
        with self.questions:
            self.time += 3
            assert self.questions.silent_s == 3

    def test_ends_with_an_answer(self) -> None:
        with self.questions:
            self.time += 3
        self.time += 3
        assert self.questions.silent_s == 0

    def test_ends_with_a_refusal(self) -> None:
        with pytest.raises(ChannelNotFoundEntity), self.questions:
            raise ChannelNotFoundEntity("NOT_FOUND")
        self.time += 3
        assert self.questions.silent_s == 0

    def test_goes_on_when_the_question_was_given_up(self) -> None:
        with pytest.raises(asyncio.CancelledError), self.questions:
            raise asyncio.CancelledError
        self.time += 3
        assert self.questions.silent_s == 3

    def test_begins_anew_with_an_answer_while_others_are_open(self) -> None:
        with self.questions:
            self.time += 3
            with self.questions:
                self.time += 3
            self.time += 2
            assert self.questions.silent_s == 2

    def test_with_a_known_cause_does_not_count(self) -> None:
        with self.questions:
            self.time += 3
            self.questions.excuse()
            assert self.questions.silent_s == 0

    def test_of_an_earlier_connection_does_not_count(self) -> None:
        with self.questions:
            self.time += 3
            self.questions.forget()
            assert self.questions.silent_s == 0


async def test_a_cancellation_that_nobody_asked_for_is_a_loss() -> None:
    with pytest.raises(ConnectionLost), losses_told():
        raise asyncio.CancelledError


async def test_a_cancellation_of_ours_stays_one() -> None:
    async def wait() -> None:
        with losses_told():
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_cleans_up_after_its_cancellation_still_tells_a_loss() -> None:
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            with losses_told():
                raise asyncio.CancelledError from None

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ConnectionLost):
        await task


@pytest.mark.parametrize(
    "error", [AMQPConnectionError("gone"), RuntimeError("closed"), OSError("reset"), Exception()]
)
async def test_whatever_aiormq_raises_at_the_end_of_a_connection_is_a_loss(error: Exception) -> None:
    with pytest.raises(ConnectionLost), losses_told():
        raise error


async def test_a_cancellation_of_ours_stays_one_when_a_clean_up_fails_on_it() -> None:
    async def wait_and_fail_to_close() -> None:
        with losses_told():
            try:
                await asyncio.Event().wait()
            finally:
                raise AMQPConnectionError("closed")

    waiting = asyncio.create_task(wait_and_fail_to_close())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()


async def test_a_cancellation_of_ours_stays_one_when_the_broker_refuses_in_the_same_moment() -> None:
    question = TaskWrapper(asyncio.create_task(asyncio.Event().wait()))

    async def ask() -> None:
        with losses_told():
            await question

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    question.throw(ChannelNotFoundEntity("NOT_FOUND"))
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()


async def test_what_the_broker_answers_is_no_loss() -> None:
    with pytest.raises(ChannelNotFoundEntity), losses_told():
        raise ChannelNotFoundEntity("NOT_FOUND")


async def test_our_deadline_is_no_loss() -> None:
    with pytest.raises(TimeoutError), losses_told():
        async with asyncio.timeout(0):
            await asyncio.sleep(1)


def test_a_gateway_that_is_all_in_one_loads_no_client_of_rabbitmq() -> None:
    program = "import sys, gateway.app, gateway.settings; print('aiormq' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert asked.stdout == "False\n"
