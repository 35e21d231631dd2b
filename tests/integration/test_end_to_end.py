"""Real photos through a whole gateway in a process of its own: sent by plain curl, in every way there is, followed
over WebSocket, and read back with exiftool.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from attrs import frozen

from tests.curl import Answer, curl
from tests.following import Followed, follow
from tests.pictures import (
    WRITTEN_TAGS,
    china,
    exiftool,
    logo,
    package_file,
    picture_data,
    tags_of,
    warnings_of,
    with_maker_note,
)
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.web import image, web_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 60
WAYS = ("multipart", "base64", "data URI", "URL")
NAMES = ("china.jpg", "logo.png", "flower.jpg")

WRITTEN = WRITTEN_TAGS | {"ExifTool:Warning"}
MOVED = {"IFD1:ThumbnailOffset"}


def rich_photo(folder: Path) -> bytes:
    """A photo with all that cameras and programs write: MakerNote, GPS, thumbnail, IPTC and XMP, in EXIF and beside."""
    (folder / "camera.jpg").write_bytes(with_maker_note("JPEG", byte_order="MM"))
    (folder / "thumbnail.jpg").write_bytes(with_maker_note("JPEG", byte_order="II"))
    flower = package_file("sklearn", "datasets", "images", "flower.jpg")
    with_camera = exiftool(
        "-TagsFromFile", str(folder / "camera.jpg"), "-exif:all", "-makernotes", image=flower
    )
    return exiftool(
        "-Artist=Jürgen Groß",
        "-GPSLatitude=50.94",
        "-GPSLatitudeRef=N",
        "-GPSLongitude=6.96",
        "-GPSLongitudeRef=E",
        "-UserComment=ünï",
        f"-ThumbnailImage<={folder}/thumbnail.jpg",
        "-IPTC:City=Köln",
        "-XMP-dc:Creator=Me",
        "-XMP-xmp:Rating=4",
        image=with_camera,
    )


@frozen
class Tagged:
    """A batch that went through: what was sent, what was heard, and how it stands."""

    photos: Mapping[str, bytes]
    created: Answer
    followed: Followed
    status: Mapping[str, Any]
    originals: Sequence[Answer]
    processed: Sequence[Answer]

    @property
    def images(self) -> Sequence[Mapping[str, Any]]:
        images: Sequence[Mapping[str, Any]] = self.status["images"]
        return images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    contents = (china(), logo(), rich_photo(tmp_path_factory.mktemp("rich")))
    return dict(zip(NAMES, contents, strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def the_gateway(
    tmp_path_factory: pytest.TempPathFactory, photos: Mapping[str, bytes]
) -> AsyncIterator[tuple[Gateway, Mapping[str, str]]]:
    """One for all tests, on TCP and a Unix socket, and where it can download the photos."""
    folder = tmp_path_factory.mktemp("gateway")
    pages = {
        f"/{name}": image(photo, "image/png" if name.endswith("png") else "image/jpeg")
        for name, photo in photos.items()
    }
    async with (
        web_server(pages) as site,
        running_gateway(
            folder / "data",
            fetch_allowed_networks=site.network,
            fetch_allowed_ports=site.port,
            http_socket=folder / "socket",
        ) as gateway,
    ):
        yield gateway, {name: site.url(f"/{name}") for name in photos}


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(the_gateway: tuple[Gateway, Mapping[str, str]]) -> AsyncIterator[Gateway]:
    gateway, _ = the_gateway
    yield gateway
    gateway.show_news()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def batches(
    the_gateway: tuple[Gateway, Mapping[str, str]],
    photos: Mapping[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Tagged]:
    """The same photos, submitted at the same time in every way."""
    gateway, urls = the_gateway
    folder = tmp_path_factory.mktemp("photos")
    for name, photo in photos.items():
        (folder / name).write_bytes(photo)
    encoded = {name: base64.b64encode(photo).decode() for name, photo in photos.items()}
    answers = await asyncio.gather(
        curl(*(f"-Fimages=@{folder / name}" for name in photos), gateway.url("/api/v1/batch")),
        _post(gateway, [{"base64": text, "name": name} for name, text in encoded.items()]),
        _post(
            gateway,
            [{"base64": f"data:image/jpeg;base64,{text}", "name": name} for name, text in encoded.items()],
        ),
        _post(gateway, [{"url": url} for url in urls.values()]),
    )
    tagged = await asyncio.gather(*(_to_the_end(gateway, photos, answer) for answer in answers))
    return dict(zip(WAYS, tagged, strict=True))


async def _post(gateway: Gateway, images: Sequence[Mapping[str, str]]) -> Answer:
    body = json.dumps({"images": images}).encode()
    json_type = "Content-Type: application/json"
    return await curl("-H", json_type, "--data-binary", "@-", gateway.url("/api/v1/batch"), stdin=body)


async def _to_the_end(gateway: Gateway, photos: Mapping[str, bytes], created: Answer) -> Tagged:
    assert created.status == 201, created.body
    job_id = created.json["job_id"]
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        followed = await follow(http, gateway.base_url, job_id, after="0")
    at = gateway.url(created.headers["location"])
    status = (await curl(at)).json
    return Tagged(
        photos,
        created,
        followed,
        status,
        [await curl(f"{at}/images/{index}/original") for index in range(len(photos))],
        [await curl(f"{at}/images/{index}/processed") for index in range(len(photos))],
    )


@pytest.fixture(params=WAYS)
def batch(request: pytest.FixtureRequest, batches: Mapping[str, Tagged], gateway: Gateway) -> Tagged:
    return batches[request.param]


async def test_a_batch_is_created_pending_with_its_address(batch: Tagged) -> None:
    created = batch.created.json
    assert created["message"] == "Batch job created with 3 images"
    assert batch.created.headers["location"] == f"/api/v1/batch/{created['job_id']}"


async def test_every_image_is_completed(batch: Tagged) -> None:
    counts = {
        name: batch.status[name] for name in ("status", "total_images", "completed", "failed", "progress")
    }
    assert counts == {
        "status": "completed",
        "total_images": 3,
        "completed": 3,
        "failed": 0,
        "progress": 100.0,
    }


async def test_images_keep_their_order_and_names(batch: Tagged) -> None:
    assert [image["original_filename"] for image in batch.images] == list(NAMES)


async def test_the_subscriber_hears_each_end_then_job_complete_and_is_closed_with_1000(batch: Tagged) -> None:
    ends = [frame["image"] for frame in batch.followed.frames if frame["type"] == "image_complete"]
    assert sorted(ends, key=lambda image: image["index"]) == batch.images
    assert batch.followed.types[-1] == "job_complete"
    assert batch.followed.close_code == 1000


async def test_exiftool_reads_the_words_of_the_status_in_exif_iptc_and_xmp(batch: Tagged) -> None:
    for told, answer in zip(batch.images, batch.processed, strict=True):
        words, tags = told["metadata"], tags_of(answer.body)
        assert words["title"]
        assert words["keywords"]
        expected = {
            "IFD0:XPTitle": words["title"],
            "IPTC:Headline": words["title"],
            "XMP-dc:Title": words["title"],
            "IFD0:ImageDescription": words["description"],
            "IPTC:Caption-Abstract": words["description"],
            "XMP-dc:Description": words["description"],
            "IPTC:Keywords": words["keywords"],
            "XMP-dc:Subject": words["keywords"],
        }
        assert {name: _texts(tags.get(name)) for name in expected} == expected


def _texts(value: object) -> object:
    """Exiftool's JSON has a keyword such as 2024 as a number."""
    return [str(member) for member in value] if isinstance(value, list) else str(value)


async def test_the_picture_itself_is_untouched(batch: Tagged) -> None:
    for sent, answer in zip(batch.photos.values(), batch.processed, strict=True):
        assert picture_data(answer.body) == picture_data(sent)


async def test_metadata_that_was_there_is_kept(batch: Tagged) -> None:
    for sent, answer in zip(batch.photos.values(), batch.processed, strict=True):
        before, after = tags_of(sent), tags_of(answer.body)
        kept = before.keys() - WRITTEN - MOVED
        assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}


async def test_the_rich_photo_had_metadata_to_lose(photos: Mapping[str, bytes]) -> None:
    """Else the test above would prove little."""
    assert {
        "Canon:CanonFirmwareVersion",
        "ExifIFD:DateTimeOriginal",
        "GPS:GPSLatitude",
        "IFD0:Artist",
        "IFD1:ThumbnailLength",
        "IPTC:City",
        "XMP-dc:Creator",
        "XMP-xmp:Rating",
    } <= tags_of(photos["flower.jpg"]).keys()


async def test_exiftool_finds_no_new_fault(batch: Tagged) -> None:
    for sent, answer in zip(batch.photos.values(), batch.processed, strict=True):
        assert set(warnings_of(answer.body)) <= set(warnings_of(sent))


async def test_the_original_is_what_was_sent(batch: Tagged) -> None:
    for sent, told, answer in zip(batch.photos.values(), batch.images, batch.originals, strict=True):
        assert answer.body == sent
        assert told["sha256"] == hashlib.sha256(sent).hexdigest()


async def test_bytes_come_with_their_type_and_file_name(batch: Tagged) -> None:
    for name, original, processed in zip(NAMES, batch.originals, batch.processed, strict=True):
        for answer in (original, processed):
            assert answer.headers["content-type"] == ("image/png" if name.endswith("png") else "image/jpeg")
            assert f'filename="{name}"' in answer.headers["content-disposition"]


@pytest.fixture
def photo_url(batches: Mapping[str, Tagged], gateway: Gateway) -> str:
    """The processed first photo of a batch."""
    return gateway.url(batches["multipart"].created.headers["location"]) + "/images/0/processed"


async def test_a_range_is_just_those_bytes(photo_url: str) -> None:
    whole, part = await curl(photo_url), await curl("-r", "1000-1999", photo_url)
    assert (part.status, part.body) == (206, whole.body[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(whole.body)}"


async def test_a_download_that_was_cut_goes_on(photo_url: str, tmp_path: Path) -> None:
    whole = (await curl(photo_url)).body
    (tmp_path / "photo.jpg").write_bytes(whole[:50_000])
    await curl("-C", "-", "-o", tmp_path / "photo.jpg", photo_url)
    assert (tmp_path / "photo.jpg").read_bytes() == whole


async def test_head_tells_the_size_and_sends_nothing(photo_url: str) -> None:
    whole, head = await curl(photo_url), await curl("-I", "-o", "/dev/null", photo_url)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    assert head.headers["etag"] == whole.headers["etag"]


async def test_curl_that_has_the_photo_gets_304(photo_url: str, tmp_path: Path) -> None:
    kept = tmp_path / "etag"
    first = await curl("--etag-save", kept, photo_url)
    again = await curl("--etag-compare", kept, photo_url)
    assert (first.status, again.status, again.body) == (200, 304, b"")


async def test_the_status_of_a_job_that_has_not_changed_is_304(
    batch: Tagged, gateway: Gateway, tmp_path: Path
) -> None:
    url, kept = gateway.url(batch.created.headers["location"]), tmp_path / "etag"
    await curl("--etag-save", kept, url)
    assert (await curl("--etag-compare", kept, url)).status == 304


async def test_the_unix_socket_is_the_same_door(batch: Tagged, gateway: Gateway) -> None:
    socket = gateway.settings["http_socket"]
    answer = await curl("--unix-socket", socket, f"http://localhost{batch.created.headers['location']}")
    assert (answer.status, answer.json) == (200, batch.status)


async def test_all_batches_are_listed(batches: Mapping[str, Tagged], gateway: Gateway) -> None:
    listed = (await curl(gateway.url("/api/v1/batch?images=true"))).json
    assert listed["total"] == len(batches)
    assert {job["job_id"]: job for job in listed["jobs"]} == {
        batch.status["job_id"]: batch.status for batch in batches.values()
    }
