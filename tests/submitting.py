"""Batches and their jobs over HTTP, as a client does it."""

import asyncio
import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from tests.patience import PATIENCE_S
from tests.pictures import china
from tests.servers.gateway import HOST, Gateway

Fields = dict[str, Any]


async def submit_files(
    http: aiohttp.ClientSession,
    base_url: str,
    files: Sequence[tuple[str, bytes]],
    metadata: Mapping[str, str] | None = None,
) -> str:
    """A multipart batch of (name, content), with what is to become of words that are there: its job_id."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, content in files:
        form.add_field("images", io.BytesIO(content), filename=name)
    if metadata is not None:
        form.add_field("options", json.dumps({"metadata": metadata}))
    return await _accepted(http, base_url, data=form)


async def submit_json(http: aiohttp.ClientSession, base_url: str, images: Sequence[Mapping[str, str]]) -> str:
    """A JSON batch: its job_id."""
    return await _accepted(http, base_url, json={"images": list(images)})


def as_base64(name: str, content: bytes) -> Mapping[str, str]:
    """An image of a JSON batch."""
    return {"base64": base64.b64encode(content).decode(), "name": name}


async def half_an_upload(gateway: Gateway) -> asyncio.StreamWriter:
    """A whole photo, whose original is stored, and half of the next one; the client stays and sends no more."""
    head = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'
    body = head + china() + b"\r\n" + head + china()[:50_000]
    _, writer = await asyncio.open_connection(HOST, gateway.port)
    writer.write(
        b"POST /api/v1/batch HTTP/1.1\r\nHost: gateway\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n" % (len(body) + 100_000)
    )
    writer.write(body)
    await writer.drain()
    async with asyncio.timeout(PATIENCE_S):
        while not gateway.objects["original"]:
            await asyncio.sleep(0.02)
    return writer


async def job_of(http: aiohttp.ClientSession, base_url: str, job_id: str) -> Fields:
    """The status answer."""
    async with http.get(f"{base_url}/api/v1/batch/{job_id}") as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


async def processed_of(http: aiohttp.ClientSession, base_url: str, job_id: str, index: int) -> bytes:
    async with http.get(f"{base_url}/api/v1/batch/{job_id}/images/{index}/processed") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def readiness(http: aiohttp.ClientSession, base_url: str) -> tuple[int, Fields]:
    """Status and body of readyz."""
    async with http.get(f"{base_url}/readyz") as answer:
        return answer.status, dict(await answer.json())


async def _accepted(http: aiohttp.ClientSession, base_url: str, **body: Any) -> str:
    async with http.post(f"{base_url}/api/v1/batch", **body) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["job_id"])
