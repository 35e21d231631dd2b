"""The files of config/ for RabbitMQ and S3 load, say what they are for, and hold no secret."""

import re

import pytest
from attrs import evolve

from gateway.ports.broker import Queue
from gateway.settings import Role, Settings, check_gateway, check_worker, load
from gateway.settings.mode import PRODUCTION
from gateway.settings.sources import from_file
from tests.config_files import CONFIG, KEYS, uncommented, value_at

FILES = ("production.toml", "replace.toml", "side-by-side.toml")
ENVIRONMENT = {
    "RABBITMQ_URL": "amqp://ada:pw@mq/v",
    "MINIO_ENDPOINT": "minio:9000",
    "MINIO_ACCESS_KEY": "ada",
    "MINIO_SECRET_KEY": "pw",
}

each_file = pytest.mark.parametrize("name", FILES)


def loaded(name: str, role: Role | None = None) -> Settings:
    return load(CONFIG / name, ENVIRONMENT, role).settings


@each_file
def test_a_gateway_and_its_workers_can_run_with_the_file_and_the_names_of_the_servers(name):
    check_gateway(loaded(name))
    for role in Role:
        check_worker(loaded(name, role), role)


@each_file
def test_the_file_means_production_mode(name):
    shown = from_file(CONFIG / name, KEYS)
    assert {path: shown[path].value for path in PRODUCTION} == PRODUCTION


@each_file
def test_the_servers_and_the_secrets_come_from_the_environment(name):
    given = from_file(CONFIG / name, KEYS)
    assert {
        "broker.url",
        "object_store.endpoint",
        "object_store.access_key",
        "object_store.secret_key",
    }.isdisjoint(given)
    assert not re.search(r"://(?!guest:guest@|user:password@)[^\s/@]+@", (CONFIG / name).read_text())


def test_without_a_file_the_defaults_of_production_mode_are_those_of_the_file():
    assert loaded("production.toml") == load(None, ENVIRONMENT).settings


def test_a_setting_that_is_commented_out_stands_there_with_its_default(tmp_path):
    shown = load(uncommented(CONFIG / "production.toml", tmp_path), {}).settings
    default = load(CONFIG / "production.toml", {}).settings
    differing = [path for path in KEYS if value_at(shown, path) != value_at(default, path)]
    assert set(differing) <= {"data_dir"}


def test_a_gateway_that_takes_the_place_of_the_old_one_has_its_queues_and_buckets():
    assert loaded("replace.toml") == loaded("production.toml")


def test_a_gateway_beside_another_shares_no_queue_but_that_of_dead_letters():
    beside, other = loaded("side-by-side.toml").broker, loaded("replace.toml").broker
    shared = {queue for queue in Queue if beside.queue_name(queue) == other.queue_name(queue)}
    assert shared == {Queue.DEAD_LETTER}


def test_a_gateway_beside_another_differs_in_nothing_but_the_names_of_its_queues():
    beside, other = loaded("side-by-side.toml"), loaded("replace.toml")
    assert evolve(beside, broker=other.broker) == other


@pytest.mark.parametrize("role", Role)
def test_the_queues_that_the_file_names_for_a_service_are_those_of_the_gateway(role):
    text = (CONFIG / "side-by-side.toml").read_text()
    (line,) = re.findall(rf"^#     {role} .*$", text, re.MULTILINE)
    names = dict(re.findall(r"(RABBITMQ_\w+)=(\S+)", line))
    consumed, published = {
        Role.ANALYZER: (Queue.IMAGE_UPLOAD, Queue.METADATA_GENERATED),
        Role.PROCESSOR: (Queue.METADATA_GENERATED, Queue.IMAGE_PROCESSED),
    }[role]
    broker = loaded("side-by-side.toml").broker
    assert names == {
        "RABBITMQ_CONSUMER_QUEUE": broker.queue_name(consumed),
        "RABBITMQ_PUBLISHER_QUEUE": broker.queue_name(published),
    }
