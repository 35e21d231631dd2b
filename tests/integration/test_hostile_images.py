"""Hostile files among good ones, sent to a gateway as it is run: each fails by the name of its problem.

The good ones are tagged, whatever stands beside them, and memory does not grow with what is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.benchmarks.memory import Peak
from tests.hostile_images import HOSTILE, MIB
from tests.jpeg_parts import SOI, segment
from tests.photos import a_jpeg, a_png
from tests.servers.gateway import Gateway, running_gateway

BATCH: Final = "/api/v1/batch"
BORDER: Final = "border"
MULTIPART: Final = {"Content-Type": f"multipart/form-data; boundary={BORDER}"}
ENDED: Final = {"completed", "failed", "cancelled"}
END_S: Final = 60
APPLICATION_DATA: Final = segment(0xE5, bytes(65_533))
FEW_MIB: Final = 24


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Of an operator who takes large images."""
    async with running_gateway(
        tmp_path / "data", intake_max_image_bytes=2048 * MIB, intake_max_body_bytes=4096 * MIB
    ) as running:
        yield running


async def images_of(gateway: Gateway, body: AsyncIterator[bytes]) -> list[dict[str, Any]]:
    """The images of a batch that was sent so, once all have ended."""
    async with aiohttp.ClientSession(gateway.base_url) as http:
        async with http.post(BATCH, data=body, headers=MULTIPART) as answer:
            assert answer.status == 201, await answer.text()
            job_id = (await answer.json())["job_id"]
        async with asyncio.timeout(END_S):
            while True:
                async with http.get(f"{BATCH}/{job_id}") as answer:
                    images: list[dict[str, Any]] = (await answer.json())["images"]
                if all(image["status"] in ENDED for image in images):
                    return images
                await asyncio.sleep(0.1)


async def form(*images: Iterable[bytes]) -> AsyncIterator[bytes]:
    for number, pieces in enumerate(images):
        yield f'--{BORDER}\r\nContent-Disposition: form-data; name="image"; filename="{number}"\r\n\r\n'.encode()
        for piece in pieces:
            yield piece
        yield b"\r\n"
    yield f"--{BORDER}--\r\n".encode()


def endless(size: int) -> Iterable[bytes]:
    """A JPEG whose picture stands behind that many bytes of application segments."""
    yield SOI
    for _ in range(size // len(APPLICATION_DATA)):
        yield APPLICATION_DATA
    yield a_jpeg()[len(SOI) :]


async def test_each_hostile_file_fails_by_its_own_code_and_the_good_ones_are_tagged(gateway: Gateway) -> None:
    files = [[a_jpeg()], *([hostile.build()] for hostile in HOSTILE.values()), [a_png()]]

    first, *hostile, last = await images_of(gateway, form(*files))

    assert (first["status"], last["status"]) == ("completed", "completed")
    assert {name: image.get("code") for name, image in zip(HOSTILE, hostile, strict=True)} == {
        name: each.code for name, each in HOSTILE.items()
    }


async def test_a_gigabyte_of_application_segments_is_passed_over_in_little_memory(gateway: Gateway) -> None:
    peak = Peak.since_now(gateway.process.pid)

    hostile, good = await images_of(gateway, form(endless(1024 * MIB), [a_jpeg()]))

    assert hostile["code"] == "too_much_metadata"
    assert good["status"] == "completed"
    assert peak.growth_mb < FEW_MIB


async def test_a_gigabyte_that_is_the_whole_body_is_answered_before_it_has_come(gateway: Gateway) -> None:
    pieces = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal pieces
        for piece in endless(1024 * MIB):
            yield piece
            pieces += 1

    async with aiohttp.ClientSession(gateway.base_url) as http:
        headers = {"Content-Type": "image/jpeg"}
        async with http.post(BATCH, params={"strict": "true"}, data=body(), headers=headers) as answer:
            assert (await answer.json())["errors"][0]["code"] == "too_much_metadata"

    assert pieces * len(APPLICATION_DATA) < 128 * MIB
