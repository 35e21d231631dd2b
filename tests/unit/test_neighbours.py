"""What a gateway does itself, by its settings."""

import pytest

from gateway.neighbours import built_in_roles, check_installed
from gateway.settings import Role, load

SERVERS = {"RABBITMQ_URL": "amqp://mq", "MINIO_ENDPOINT": "minio:9000"}


@pytest.mark.parametrize(
    ("environment", "roles"),
    [
        ({}, (Role.ANALYZER, Role.PROCESSOR)),
        (SERVERS, ()),
        (SERVERS | {"GATEWAY_PROCESSOR_KIND": "built_in"}, (Role.PROCESSOR,)),
    ],
    ids=["embedded", "production", "mixed"],
)
def test_a_gateway_does_itself_what_is_built_in(environment, roles):
    assert built_in_roles(load(None, environment).settings) == roles


def test_who_does_nothing_itself_needs_nothing_installed():
    check_installed()
