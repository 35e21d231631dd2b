"""The bytes of images: type, file name, ETag, ranges, and when there are none yet or none at all."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.job import Job
from gateway.settings import HttpSettings
from tests import builders
from tests.patience import PATIENCE_S
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

JPEG, PNG = plain("JPEG"), plain("PNG")
SIZE = len(JPEG)


async def posted(quiet: QuietGateway, content: bytes = JPEG, name: str = "photo.jpg") -> Job:
    headers = {"Content-Type": "image/jpeg"}
    async with quiet.http.post(
        "/api/v1/batch", params={"name": name}, data=io.BytesIO(content), headers=headers
    ) as answer:
        assert answer.status == 201
        return await quiet.context.job_store.get((await answer.json())["job_id"])


def path_of(job: Job, which: str = "original", index: int = 0) -> str:
    return f"/api/v1/batch/{job.job_id}/images/{index}/{which}"


async def problem_of(quiet: QuietGateway, path: str, status: int) -> Any:
    async with quiet.http.get(path) as answer:
        assert answer.status == status
        return await answer.json(content_type="application/problem+json")


async def test_an_original_is_what_was_sent(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    async with quiet.http.get(path_of(job)) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Content-Disposition"] == 'inline; filename="photo.jpg"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert await answer.read() == JPEG


async def test_a_processed_image_is_what_the_processor_stored(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    await quiet.put_processed(f"{job.images[0].trace_id}/photo.jpg", JPEG + b"tagged")
    await quiet.complete(job.job_id, 0)
    async with quiet.http.get(path_of(job, "processed")) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert await answer.read() == JPEG + b"tagged"


async def test_the_type_and_the_ending_are_those_of_the_content(quiet: QuietGateway) -> None:
    job = await posted(quiet, PNG, "photo.jpg")
    async with quiet.http.get(path_of(job)) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"] == 'inline; filename="photo.png"'


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("Übersee.jpg", "inline; filename=\"_bersee.jpg\"; filename*=UTF-8''%C3%9Cbersee.jpg"),
        ('a"b.jpg', "inline; filename=\"a_b.jpg\"; filename*=UTF-8''a%22b.jpg"),
        ("100%.jpg", "inline; filename=\"100_.jpg\"; filename*=UTF-8''100%25.jpg"),
        ("a\r\nX-Evil: 1.jpg", 'inline; filename="aX-Evil: 1.jpg"'),
        ("../../etc/passwd", 'inline; filename="passwd.jpg"'),
        ("a; filename=b.jpg", 'inline; filename="a; filename=b.jpg"'),
    ],
)
async def test_no_name_gets_out_of_its_header(quiet: QuietGateway, name: str, header: str) -> None:
    job = await posted(quiet, name=name)
    async with quiet.http.get(path_of(job)) as answer:
        assert answer.headers["Content-Disposition"] == header
        assert "X-Evil" not in answer.headers


async def test_head_has_the_headers_of_get(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    async with quiet.http.get(path_of(job)) as get, quiet.http.head(path_of(job)) as head:
        for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition", "Accept-Ranges"):
            assert head.headers[name] == get.headers[name]
        assert await head.read() == b""


async def test_who_has_it_gets_304(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    async with quiet.http.get(path_of(job)) as answer:
        etag = answer.headers["ETag"]
    async with quiet.http.get(path_of(job), headers={"If-None-Match": etag, "Range": "bytes=0-1"}) as answer:
        assert answer.status == 304


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=10-", 10, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        (f"bytes=-{SIZE + 10}", 0, SIZE),
        (f"bytes=5-{SIZE + 10}", 5, SIZE),
    ],
)
async def test_a_range_is_206_with_just_those_bytes(
    quiet: QuietGateway, asked: str, start: int, end: int
) -> None:
    job = await posted(quiet)
    async with quiet.http.get(path_of(job), headers={"Range": asked}) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert await answer.read() == JPEG[start:end]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
async def test_a_range_outside_is_416_with_the_size(quiet: QuietGateway, asked: str) -> None:
    job = await posted(quiet)
    async with quiet.http.get(path_of(job), headers={"Range": asked}) as answer:
        assert answer.status == 416
        assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
        assert (await answer.json(content_type="application/problem+json"))["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,4-5", "bytes=5-1", "bytes=x-1", "lines=0-1", "bytes=", "bytes=-"]
)
async def test_a_range_that_is_not_understood_gets_the_whole(quiet: QuietGateway, asked: str) -> None:
    job = await posted(quiet)
    async with quiet.http.get(path_of(job), headers={"Range": asked}) as answer:
        assert answer.status == 200
        assert await answer.read() == JPEG


async def test_if_range_of_this_version_gets_the_part(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    async with quiet.http.head(path_of(job)) as answer:
        etag = answer.headers["ETag"]
    async with quiet.http.get(path_of(job), headers={"Range": "bytes=0-1", "If-Range": etag}) as answer:
        assert answer.status == 206


@pytest.mark.parametrize("version", ['"other"', "Tue, 15 Nov 1994 12:45:26 GMT"])
async def test_if_range_of_another_version_gets_the_whole(quiet: QuietGateway, version: str) -> None:
    job = await posted(quiet)
    async with quiet.http.get(path_of(job), headers={"Range": "bytes=0-1", "If-Range": version}) as answer:
        assert answer.status == 200


async def test_what_is_still_to_come_is_409(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    assert (await problem_of(quiet, path_of(job, "processed"), 409))["code"] == "not_ready"


async def test_an_original_that_is_still_to_be_fetched_is_409(quiet: QuietGateway) -> None:
    job = await quiet.accept([builders.a_url_image()])
    assert (await problem_of(quiet, path_of(job), 409))["code"] == "not_ready"


async def test_a_refused_image_has_neither(quiet: QuietGateway) -> None:
    job = await posted(quiet, b"this is text")
    for which in ("original", "processed"):
        assert (await problem_of(quiet, path_of(job, which), 404))["code"] == "image_not_kept"


async def test_a_failed_image_keeps_its_original_alone(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    await quiet.fail(job.job_id, 0)
    assert (await problem_of(quiet, path_of(job, "processed"), 404))["code"] == "image_not_kept"
    async with quiet.http.get(path_of(job)) as answer:
        assert answer.status == 200


async def test_an_object_that_is_gone_is_404(quiet: QuietGateway) -> None:
    job = await posted(quiet)
    await quiet.complete(job.job_id, 0)
    assert (await problem_of(quiet, path_of(job, "processed"), 404))["code"] == "object_not_found"


@pytest.mark.parametrize("path", ["images/1/original", "images/x/processed"])
async def test_no_such_image_is_404(quiet: QuietGateway, path: str) -> None:
    job = await posted(quiet)
    await problem_of(quiet, f"/api/v1/batch/{job.job_id}/{path}", 404)


async def test_a_download_that_breaks_halfway_is_seen_to_be_broken(quiet: QuietGateway) -> None:
    """The file shrinks while it is read: the client must not take what came for the whole."""
    content = JPEG + bytes(8_000_000)
    job = await posted(quiet, content)
    reader, writer = await asyncio.open_connection("127.0.0.1", quiet.port, limit=1024)
    writer.write(f"GET {path_of(job)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    received = await reader.readuntil(b"\r\n\r\n")
    original: Path = next(path for path in quiet.objects_dir.rglob("original.jpg"))
    with original.open("r+b") as file:
        file.truncate(100)
    body = 0
    async with asyncio.timeout(PATIENCE_S):
        try:
            while chunk := await reader.read(65536):
                body += len(chunk)
        except ConnectionResetError:
            pass
    assert f"content-length: {len(content)}".encode() in received.lower()
    assert body < len(content)
    writer.close()


async def test_downloads_that_are_too_many_at_once_are_put_off_until_one_has_ended(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, http=HttpSettings(max_downloads=1)) as quiet:
        job = await posted(quiet, JPEG + bytes(8_000_000))
        reader, writer = await asyncio.open_connection("127.0.0.1", quiet.port, limit=1024)
        writer.write(f"GET {path_of(job)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        async with quiet.http.get(path_of(job)) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await answer.json(content_type="application/problem+json"))["code"] == "busy"
        writer.close()
        async with quiet.http.get(path_of(job)) as answer:
            assert answer.status == 200
            assert len(await answer.read()) == len(JPEG) + 8_000_000
