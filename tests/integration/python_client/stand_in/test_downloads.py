"""The Python client downloads images: whole files or none, and not before they are ready."""

import asyncio
from pathlib import Path

import pytest

from gateway.client import GatewayClient, Refused, Unreachable
from tests.client_calls import DEADLINE_S, Waits
from tests.servers.stand_in_gateway import PNG
from tests.servers.tcp_proxy import tcp_proxy
from tests.servers.web import answer, web_server


@pytest.mark.parametrize("kind", [Path, str])
async def test_a_download_writes_the_whole_file_and_nothing_else(client, tmp_path, kind):
    job_id = (await client.submit([("a.jpg", b"a")])).job_id
    await client.download(job_id, 0, to=kind(tmp_path / "copy.jpg"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"copy.jpg": b"tagged a"}


async def test_a_download_that_breaks_off_leaves_nothing(tmp_path):
    pages = {"/api/v1/batch/j/images/0/processed": answer(200, body=b"half", length=1000)}
    async with web_server(pages) as site, GatewayClient(site.url("/"), patience_s=0) as client:
        with pytest.raises(Unreachable):
            await client.download("j", 0, tmp_path / "copy.jpg")
    assert list(tmp_path.iterdir()) == []


async def test_an_image_is_asked_for_again_when_the_gateway_is_there_again(stand_in, client, tmp_path):
    job_id, waits = (await client.submit([("a.jpg", b"a")])).job_id, Waits()
    async with tcp_proxy(int(stand_in.base_url.rpartition(":")[2])) as proxy:
        await proxy.refuse()
        async with GatewayClient(f"http://127.0.0.1:{proxy.port}") as distant, asyncio.timeout(DEADLINE_S):
            to = tmp_path / "copy.jpg"
            saving = asyncio.create_task(distant.download(job_id, 0, to, on_wait=waits))
            await waits.some.wait()
            await proxy.listen()
            await saving
    assert to.read_bytes() == b"tagged a"


async def test_a_download_tells_the_name_that_the_gateway_has_for_it(client, tmp_path):
    job_id = (await client.submit([("a.jpg", PNG)])).job_id
    assert await client.download(job_id, 0, tmp_path / "copy") == "a.png"


async def test_an_image_that_is_not_ready_at_once_is_asked_for_again(stand_in, client, tmp_path):
    stand_in.not_ready_answers = 2
    job_id = (await client.submit([("a.jpg", b"a")])).job_id
    await client.download(job_id, 0, tmp_path / "copy.jpg")
    assert (tmp_path / "copy.jpg").read_bytes() == b"tagged a"


async def test_an_image_that_does_not_become_ready_is_given_up(stand_in, tmp_path):
    stand_in.not_ready_answers = 1000
    async with GatewayClient(stand_in.base_url, ready_s=0.3) as client:
        job_id = (await client.submit([("a.jpg", b"a")])).job_id
        with pytest.raises(Refused) as caught:
            await client.download(job_id, 0, tmp_path / "copy.jpg")
    assert caught.value.code == "not_ready"
    assert stand_in.not_ready_answers > 990
