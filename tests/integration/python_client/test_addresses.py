"""The address that a Python client is given: which are none, and who answers there."""

import asyncio
import json
import ssl
from pathlib import Path

import pytest
import trustme

from gateway.client import GatewayClient, NoGateway, NotConnected, Refused, Unreachable
from tests.free_ports import free_port
from tests.servers.stand_in_gateway import stand_in_gateway
from tests.servers.web import HOST, answer, held, raw, redirect, web_server


@pytest.mark.parametrize("url", ["localhost:8080", "", "ftp://a.example", "http://", "unix:", "http://a/?q"])
def test_an_address_that_is_none_is_refused_at_once(url):
    with pytest.raises(ValueError, match="base_url"):
        GatewayClient(url)


async def test_nobody_at_the_address_is_told_with_the_address():
    url = f"http://127.0.0.1:{free_port()}"
    async with GatewayClient(url) as client:
        with pytest.raises(Unreachable, match=f"no gateway answers at {url}: Connection refused"):
            await client.check()


async def test_a_password_in_the_address_is_shown_to_nobody():
    port = free_port()
    async with GatewayClient(f"http://me:pass@word@127.0.0.1:{port}/photos") as client:
        assert client.address == f"http://127.0.0.1:{port}/photos"
        with pytest.raises(Unreachable) as caught:
            await client.check()
    assert str(caught.value).startswith(f"no gateway answers at {client.address}: ")


async def test_a_certificate_that_nobody_knows_is_told_with_what_to_do():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert(HOST).configure_cert(tls)
    async with web_server({}, tls=tls) as site, GatewayClient(site.url("")) as client:
        with pytest.raises(NotConnected, match=r"is not trusted \(.*certificate.*\); SSL_CERT_FILE "):
            await client.check()


async def test_a_name_that_nobody_knows_is_told():
    async with GatewayClient("http://gateway.invalid") as client:
        with pytest.raises(NotConnected, match=r"no gateway answers at http://gateway\.invalid: [^\[]+$"):
            await client.check()


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (raw(b""), "the gateway at {} closed the connection"),
        (raw(b"SSH-2.0\r\n\r\n"), "what answers at {} speaks no HTTP that this client knows"),
        (answer(200, body=b"{}", length=9), "the gateway at {} broke off its answer"),
    ],
)
async def test_what_goes_wrong_with_an_answer_is_told_in_words(page, text):
    async with web_server({"/healthz": page}) as site, GatewayClient(site.url("")) as client:
        with pytest.raises(Unreachable) as unreachable:
            await client.check()
    assert str(unreachable.value) == text.format(site.url(""))


async def test_how_long_there_was_no_answer_is_told_too():
    never = held(asyncio.Event(), answer(200))
    async with web_server({"/healthz": never}) as site, GatewayClient(site.url(""), silence_s=0.3) as client:
        with pytest.raises(Unreachable, match=f"the gateway at {site.url('')} has said nothing for 0.3 s"):
            await client.check()


async def test_another_kind_of_server_is_told_so():
    pages = {"/api/v1/batch/j": answer(200, body=b"[1, 2]")}
    async with web_server(pages) as site, GatewayClient(site.url("/")) as client:
        with pytest.raises(NoGateway, match=f"there is no gateway at {site.url('/')}, but another server"):
            await client.status("j")


@pytest.mark.parametrize(
    "page", [answer(404), answer(501, body=b"<html>"), answer(200, body=b"<html>"), answer(200, body=b"{}")]
)
async def test_another_web_server_does_not_pass_for_a_gateway(page):
    async with web_server({"/healthz": page}) as site, GatewayClient(site.url("/")) as client:
        with pytest.raises(NoGateway, match="there is no gateway at"):
            await client.check()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_what_does_something_is_not_sent_on_to_elsewhere(status):
    """As from http to https: a POST that becomes a GET there does nothing, and has an answer."""
    async with web_server({"/elsewhere": answer(200, body=b"{}")}) as site:
        site.pages["/api/v1/dead-letters/1/requeue"] = redirect(site.url("/elsewhere"), status)
        async with GatewayClient(site.url("")) as client:
            with pytest.raises(
                Refused, match=f"sends this on to {site.url('')}, which the address has to name"
            ):
                await client.requeue("1")
    assert len(site.requests) == 1


async def test_what_asks_is():
    image = {"index": 0, "original_filename": "a.jpg", "status": "pending"}
    async with web_server({"/elsewhere": answer(200, body=json.dumps(image).encode())}) as site:
        site.pages["/api/v1/batch/j/images/0"] = redirect(site.url("/elsewhere"))
        async with GatewayClient(site.url("")) as client:
            assert (await client.image("j", 0)).original_filename == "a.jpg"


async def test_before_anything_is_sent_it_is_known_where_to():
    async with web_server({"/elsewhere": answer(200, body=b'{"status": "ok"}')}) as site:
        site.pages["/healthz"] = redirect(site.url("/elsewhere"))
        async with GatewayClient(site.url("")) as client:
            with pytest.raises(
                Refused, match=f"sends this on to {site.url('')}, which the address has to name"
            ):
                await client.check()


async def test_a_gateway_answers_on_a_unix_socket(tmp_path: Path):
    async with stand_in_gateway(tmp_path / "s") as stand_in, GatewayClient(stand_in.base_url) as client:
        job_id = (await client.submit([("a.jpg", b"a")])).job_id
        assert [event.type async for event in client.follow(job_id)][-1] == "job_complete"


async def test_a_unix_socket_that_is_not_there_is_told(tmp_path: Path):
    async with GatewayClient(f"unix://{tmp_path}/absent") as client:
        with pytest.raises(Unreachable, match="No such file or directory"):
            await client.check()
