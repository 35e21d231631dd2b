"""What settings of adapters refuse, and what they stand for."""

from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.broker.rabbitmq.address import address_of
from gateway.adapters.broker.settings import BrokerSettings
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.analyzer.settings import AnalyzerSettings
from gateway.ports.broker import Queue
from gateway.processor.settings import ProcessorSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "tape"}, {"original_bucket": ".."}, {"original_bucket": "a/b"}, {"processed_bucket": ""},
        {"processed_bucket": ".tmp"}, {"original_bucket": "processed"}, {"timeout_s": 0}, {"threads": 0},
        {"endpoint": "http://minio:9000"}, {"endpoint": "minio:9000/photos"}, {"endpoint": ""}, {"region": ""},
        {"endpoint": "minio:99999"}, {"endpoint": "[::1]:99999"}, {"endpoint": "minio:0"},
        {"connections": 0}, {"attempts": 0}, {"connect_timeout_s": 0}, {"read_timeout_s": 0},
        {"part_bytes": 5 * 1024**2 - 1}, {"check_timeout_s": 0}, {"original_bucket": "Original"},
    ],
    ids=str,
)  # fmt: skip
def test_an_object_store_of_wrong_settings_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        ObjectStoreSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pigeon"}, {"prefetch": 0}, {"max_messages_per_queue": 0}, {"max_parked_messages": 0},
        {"publish_timeout_s": 0}, {"url": "mq:5672"}, {"url": "http://mq"}, {"url": "amqp://u:p@mq:x/"},
        {"url": "amqp://u:p@mq:99999/"}, {"url": "amqp://u:p/w@mq/"}, {"url": "amqp:///v"}, {"heartbeat_s": 0},
        {"connect_timeout_s": 0}, {"image_upload_queue": ""}, {"dead_letter_queue": "ü" * 128},
        {"image_upload_queue": "image_processed"}, {"prefetch": 65536}, {"sweep_max_bytes": 0},
    ],
    ids=str,
)  # fmt: skip
def test_a_broker_of_wrong_settings_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        BrokerSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "magic"}, {"concurrency": -1}, {"prefetch": 0}, {"prefetch": 65536}, {"timeout_s": 0},
        {"http_port": -1}, {"http_port": 65536}, {"stop_timeout_s": -1},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("cls", [AnalyzerSettings, ProcessorSettings])
def test_a_neighbour_of_wrong_settings_is_refused(cls: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        cls(**wrong)


@pytest.mark.parametrize(
    "endpoint", ["minio:9000", "minio", "10.0.0.7:9000", "[::1]:9000", "s3.eu-central-1.amazonaws.com"]
)
def test_an_endpoint_is_a_host_with_or_without_a_port(endpoint: str) -> None:
    assert ObjectStoreSettings(endpoint=endpoint).endpoint == endpoint


def test_a_refused_endpoint_is_told_in_words_and_by_an_example() -> None:
    with pytest.raises(ValueError, match="must be like minio:9000, without http"):
        ObjectStoreSettings(endpoint="http://minio:9000")


def test_settings_that_are_printed_show_no_secret() -> None:
    broker = BrokerSettings(url="amqp://user:geheim@mq/")
    assert "geheim" not in repr(broker) + repr(address_of(broker))
    assert "geheim" not in repr(ObjectStoreSettings(secret_key="geheim"))


def test_every_queue_has_the_name_that_it_is_given() -> None:
    names = {f"{queue.name.lower()}_queue": f"my.{queue}" for queue in Queue}
    settings = BrokerSettings(**names)  # type: ignore[arg-type]
    assert {queue: settings.queue_name(queue) for queue in Queue} == {queue: f"my.{queue}" for queue in Queue}


def test_objects_lie_in_the_data_directory_unless_a_path_is_set() -> None:
    assert ObjectStoreSettings().folder(Path("/data")) == Path("/data/objects")
    assert ObjectStoreSettings(path="/elsewhere").folder(Path("/data")) == Path("/elsewhere")
