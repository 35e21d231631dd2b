"""Getting to RabbitMQ: names, passwords, virtual hosts, certificates; what is wrong is told without secrets."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import AsyncResolver

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.errors import Unavailable
from gateway.ports.broker import Broker, Queue
from tests.deliveries import eventually, lying_in, publish, settings_for
from tests.servers.names import HOST as NAME_SERVER_HOST
from tests.servers.names import NameServer, name_server
from tests.servers.rabbitmq import Certificates, RabbitMQ, rabbitmq_node


async def trouble_of(broker: Broker, expected: str) -> str:
    """What readyz would say, once it says what is expected."""
    told = ""

    async def is_told() -> bool:
        nonlocal told
        with pytest.raises(Unavailable) as caught:
            await broker.check()
        told = caught.value.text
        return expected in told

    await eventually(is_told)
    return told


async def test_a_wrong_password_is_told_without_it(rabbitmq: RabbitMQ) -> None:
    url = f"amqp://guest:geheim@127.0.0.1:{rabbitmq.port}/"
    async with open_rabbitmq(settings_for(url), name="stranger") as broker:
        told = await trouble_of(broker, "refuses the user or the password")
        assert f"127.0.0.1:{rabbitmq.port}, vhost /" in told
        assert "geheim" not in told


async def test_a_wrong_virtual_host_is_told(rabbitmq: RabbitMQ) -> None:
    async with open_rabbitmq(settings_for(rabbitmq.url_for("nowhere")), name="lost") as broker:
        assert "vhost nowhere" in await trouble_of(broker, "refuses the virtual host")


async def test_the_virtual_host_of_the_settings_goes_before_the_one_of_the_url(
    rabbitmq: RabbitMQ, rabbitmq_vhost: str
) -> None:
    settings = settings_for(rabbitmq.url_for("nowhere"), vhost=rabbitmq_vhost)
    async with open_rabbitmq(settings, name="found") as broker:
        assert await broker.check() == f"connected to 127.0.0.1:{rabbitmq.port}, vhost {rabbitmq_vhost}"


async def test_connections_have_names_for_the_brokers_operators(
    rabbitmq: RabbitMQ, rabbitmq_url: str
) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url), name="named"):
        listed = await rabbitmq.ctl("list_connections", "client_properties")
    assert '"named-publish"' in listed
    assert '"named-consume"' in listed


@asynccontextmanager
async def asking(names: NameServer) -> AsyncIterator[AsyncResolver]:
    resolver = AsyncResolver(nameservers=[NAME_SERVER_HOST], udp_port=names.port, tcp_port=names.port)
    yield resolver
    await resolver.close()


async def test_host_names_are_looked_up(rabbitmq: RabbitMQ, rabbitmq_vhost: str) -> None:
    url = f"amqp://guest:guest@broker.test:{rabbitmq.port}/{rabbitmq_vhost}"
    async with (
        name_server({"broker.test": "127.0.0.1"}) as names,
        asking(names) as resolver,
        open_rabbitmq(settings_for(url), name="by-name", resolver=resolver) as broker,
    ):
        await publish(broker, Queue.IMAGE_UPLOAD, "a")
        assert "broker.test" in await broker.check()


async def test_an_unknown_host_name_is_told() -> None:
    async with open_rabbitmq(settings_for("amqp://nobody@unknown.invalid/"), name="lost") as broker:
        await trouble_of(broker, "unknown.invalid can't be found")


async def test_a_name_server_that_does_not_answer_holds_up_no_stop() -> None:
    url = "amqp://guest:guest@silent.test/"
    async with name_server() as names, asking(names) as resolver:
        async with open_rabbitmq(settings_for(url), name="by-name", resolver=resolver):
            assert names.unanswered == {"silent.test"}
            began = time.monotonic()
        assert time.monotonic() - began < 3


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of a node that is called localhost."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    files = Certificates(folder / "chain.pem", folder / "key.pem", folder / "authority.pem")
    certificate.private_key_pem.write_to_path(str(files.key))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(files.chain), append=True)
    authority.cert_pem.write_to_path(str(files.authority))
    return files


@pytest.fixture(scope="module")
def tls_node(tmp_path_factory: pytest.TempPathFactory, authority: Certificates) -> Iterator[RabbitMQ]:
    with rabbitmq_node(tmp_path_factory.mktemp("rabbitmq"), authority) as node:
        yield node


async def test_messages_go_over_tls_with_an_authority_of_our_own(
    tls_node: RabbitMQ, authority: Certificates
) -> None:
    settings = settings_for(tls_node.tls_url, ca_file=str(authority.authority))
    async with open_rabbitmq(settings, name="secret") as broker:
        await publish(broker, Queue.IMAGE_UPLOAD, "a")
        assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["a"]


async def test_a_certificate_of_an_unknown_authority_is_refused(tls_node: RabbitMQ) -> None:
    async with open_rabbitmq(settings_for(tls_node.tls_url), name="wary") as broker:
        await trouble_of(broker, "certificate is not trusted")


async def test_a_certificate_for_another_host_is_refused(tls_node: RabbitMQ, authority: Certificates) -> None:
    url = tls_node.tls_url.replace("localhost", "127.0.0.1")
    async with open_rabbitmq(settings_for(url, ca_file=str(authority.authority)), name="wary") as broker:
        await trouble_of(broker, "IP address mismatch")


async def test_an_authority_that_can_not_be_read_is_told(tls_node: RabbitMQ, tmp_path: Path) -> None:
    settings = settings_for(tls_node.tls_url, ca_file=str(tmp_path / "missing.pem"))
    async with open_rabbitmq(settings, name="wary") as broker:
        await trouble_of(broker, "trusted certificates can't be read")


async def test_a_stop_does_not_wait_for_a_tls_peer_that_is_silent(
    tls_node: RabbitMQ, authority: Certificates
) -> None:
    settings = settings_for(tls_node.tls_url, ca_file=str(authority.authority))
    try:
        async with open_rabbitmq(settings, name="secret") as broker:
            await broker.check()
            tls_node.pause()
            began = time.monotonic()
        assert time.monotonic() - began < 5
    finally:
        tls_node.resume()
