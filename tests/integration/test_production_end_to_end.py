"""Photos through a whole system of separate processes on RabbitMQ and S3: with our analyzer and processor, with
stand-ins for the running ones, and mixed both ways.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from attrs import frozen

from tests.following import Followed, follow
from tests.pictures import china, logo, picture_data, tags_of
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import S3Server, running_moto, running_rclone
from tests.servers.system import Make, Place, System, running_system
from tests.servers.web import image, web_server
from tests.submitting import as_base64, job_of, processed_of, submit_files, submit_json

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 60
PHOTOS = {"Größe & Maß, 100%.jpg": china(), "logo.png": logo()}
WAYS = ("multipart", "base64", "URL")


@frozen
class Cast:
    """Who plays analyzer and processor, and on which object store."""

    analyzer: Make
    processor: Make
    store: str = "rclone"

    def __str__(self) -> str:
        return f"analyzer {self.analyzer}, processor {self.processor}, {self.store}"


CASTS = (
    Cast("ours", "ours"),
    Cast("existing", "existing"),
    Cast("ours", "existing"),
    Cast("existing", "ours", "moto"),
)


@frozen
class Went:
    """A batch that went through: what was heard of it, how it stands, and the processed images by index."""

    followed: Followed
    job: Mapping[str, Any]
    processed: Mapping[int, bytes]

    @property
    def images(self) -> Sequence[Mapping[str, Any]]:
        images: Sequence[Mapping[str, Any]] = self.job["images"]
        return images


@contextmanager
def store_of(cast: Cast, folder: Path) -> Iterator[S3Server]:
    start = running_moto if cast.store == "moto" else running_rclone
    with start(folder) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=CASTS, ids=str)
async def went(
    request: pytest.FixtureRequest, rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Cast, Mapping[str, Went]]]:
    """The same photos, submitted at the same time in every way, to each cast once."""
    cast: Cast = request.param
    folder = tmp_path_factory.mktemp("system")
    vhost = rabbitmq.add_vhost()
    pages = {f"/{number}": image(photo) for number, photo in enumerate(PHOTOS.values())}
    async with AsyncExitStack() as stack:
        stack.callback(rabbitmq.remove_vhost, vhost)
        store = stack.enter_context(store_of(cast, folder / "s3"))
        site = await stack.enter_async_context(web_server(pages))
        system = await stack.enter_async_context(
            running_system(
                folder,
                Place(rabbitmq.url_for(vhost), store),
                analyzer=cast.analyzer,
                processor=cast.processor,
                fetch_allowed_networks=site.network,
                fetch_allowed_ports=site.port,
            )
        )
        yield cast, await _all_ways(system, [site.url(page) for page in pages])


async def _all_ways(system: System, urls: Sequence[str]) -> Mapping[str, Went]:
    base_url = system.gateway.base_url
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        jobs = (
            await submit_files(http, base_url, list(PHOTOS.items())),
            await submit_json(http, base_url, [as_base64(*photo) for photo in PHOTOS.items()]),
            await submit_json(
                http,
                base_url,
                [{"url": url, "name": name} for url, name in zip(urls, PHOTOS, strict=True)],
            ),
        )
        went = await asyncio.gather(*(_to_the_end(http, base_url, job_id) for job_id in jobs))
    return dict(zip(WAYS, went, strict=True))


async def _to_the_end(http: aiohttp.ClientSession, base_url: str, job_id: str) -> Went:
    followed = await follow(http, base_url, job_id)
    job = await job_of(http, base_url, job_id)
    completed = [image["index"] for image in job["images"] if image["status"] == "completed"]
    return Went(
        followed, job, {index: await processed_of(http, base_url, job_id, index) for index in completed}
    )


@pytest.fixture
def cast(went: tuple[Cast, Mapping[str, Went]]) -> Cast:
    return went[0]


@pytest.fixture(params=WAYS)
def batch(request: pytest.FixtureRequest, went: tuple[Cast, Mapping[str, Went]]) -> Went:
    return went[1][request.param]


async def test_every_jpeg_is_completed_and_a_png_where_the_processor_takes_pngs(
    batch: Went, cast: Cast
) -> None:
    png = "completed" if cast.processor == "ours" else "failed"
    assert [image["status"] for image in batch.images] == ["completed", png]
    assert (batch.job["status"], batch.job["progress"]) == ("completed", 100.0)
    assert batch.job["completed"] + batch.job["failed"] == batch.job["total_images"]


async def test_a_processed_image_lies_where_its_processor_puts_it(batch: Went, cast: Cast) -> None:
    folder = "" if cast.processor == "ours" else "processed/"
    for index in batch.processed:
        told = batch.images[index]
        assert told["processed_path"] == f"{folder}{told['trace_id']}/{told['original_filename']}"


async def test_a_failed_image_says_why_without_the_processors_folders(batch: Went) -> None:
    for told in batch.images:
        if told["status"] == "failed":
            assert told["code"] == "tagging_failed"
            assert "Not a valid JPG" in told["error"]
            assert "/tmp" not in told["error"]
            assert "\n" not in told["error"]


async def test_the_subscriber_hears_each_end_once_then_job_complete_and_is_closed_with_1000(
    batch: Went,
) -> None:
    ends = [frame["image"]["index"] for frame in batch.followed.frames if frame["type"] == "image_complete"]
    assert len(ends) == len(set(ends))
    assert batch.followed.types[-1] == "job_complete"
    assert batch.followed.close_code == 1000


async def test_exiftool_reads_the_words_of_the_status_in_the_processed_image(batch: Went) -> None:
    for index, processed in batch.processed.items():
        words, tags = batch.images[index]["metadata"], tags_of(processed)
        assert words["title"]
        assert words["keywords"]
        assert tags["XMP-dc:Title"] == words["title"]
        assert tags["IFD0:ImageDescription"] == words["description"]
        assert [str(word) for word in tags["XMP-dc:Subject"]] == words["keywords"]


async def test_the_picture_itself_is_untouched(batch: Went) -> None:
    for index, processed in batch.processed.items():
        assert picture_data(processed) == picture_data(list(PHOTOS.values())[index])
