"""POST of a batch: what is taken, and what is refused with which status, code and text; nothing of it is kept."""

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.intake.settings import IntakeSettings
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

BATCH = "/api/v1/batch"
JPEG, PNG = plain("JPEG"), plain("PNG")
MAX_IMAGE = 10 * 1024 * 1024


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sent(content: bytes) -> io.BytesIO:
    """As aiohttp's client wants large bodies."""
    return io.BytesIO(content)


def as_json(document: Any) -> dict[str, Any]:
    return {"data": sent(json.dumps(document).encode()), "headers": {"Content-Type": "application/json"}}


def jpeg_of(size: int) -> bytes:
    """A JPEG with bytes after its end, as some cameras put them there."""
    return JPEG + bytes(size - len(JPEG))


async def post(quiet: QuietGateway, path: str = BATCH, **body: Any) -> tuple[int, Any]:
    async with quiet.http.post(path, **body) as answer:
        return answer.status, await answer.json(content_type=None)


async def image_after(quiet: QuietGateway, path: str = BATCH, **body: Any) -> Any:
    """The first image of a batch that was accepted."""
    status, created = await post(quiet, path, **body)
    assert status == 201
    async with quiet.http.get(f"{BATCH}/{created['job_id']}/images/0") as answer:
        return await answer.json()


async def kept(quiet: QuietGateway) -> tuple[int, list[str]]:
    """Jobs and files."""
    async with quiet.http.get(BATCH) as answer:
        return (await answer.json())["total"], quiet.stored_files()


class TestAccepted:
    async def test_201_names_the_job_and_where_it_is(self, quiet: QuietGateway) -> None:
        batch = {"images": [{"base64": encoded(JPEG), "name": "a.jpg"}, {"url": "https://example.com/b.jpg"}]}
        async with quiet.http.post(BATCH, json=batch) as answer:
            created = await answer.json()
            assert answer.status == 201
            assert answer.headers["Location"] == f"{BATCH}/{created['job_id']}"
        assert list(created) == ["job_id", "status", "created_at", "message"]
        assert created["status"] == "pending"
        assert created["message"] == "Batch job created with 2 images"
        assert created["created_at"].endswith("Z")

    async def test_one_image_is_one_image(self, quiet: QuietGateway) -> None:
        _, created = await post(quiet, json={"images": [{"base64": encoded(JPEG)}]})
        assert created["message"] == "Batch job created with 1 image"

    @pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
    async def test_base64_with_and_without_data_uri(self, quiet: QuietGateway, prefix: str) -> None:
        image = await image_after(
            quiet, json={"images": [{"base64": prefix + encoded(JPEG), "name": "a.jpg"}]}
        )
        assert image["sha256"] == hashlib.sha256(JPEG).hexdigest()
        assert image["original_filename"] == "a.jpg"

    async def test_multipart_in_order_whatever_the_fields_are_called(self, quiet: QuietGateway) -> None:
        form = aiohttp.FormData()
        form.add_field("x", JPEG, filename="one.jpg", content_type="image/jpeg")
        form.add_field("images", PNG, filename="two.png", content_type="image/png")
        form.add_field("options", "{}")
        _, created = await post(quiet, data=form)
        async with quiet.http.get(f"{BATCH}/{created['job_id']}") as answer:
            images = (await answer.json())["images"]
        assert [image["original_filename"] for image in images] == ["one.jpg", "two.png"]

    async def test_a_raw_image_is_a_batch_of_one_named_by_the_query(self, quiet: QuietGateway) -> None:
        headers = {"Content-Type": "image/png"}
        image = await image_after(quiet, f"{BATCH}?name=scan.png", data=PNG, headers=headers)
        assert image["original_filename"] == "scan.png"

    async def test_a_png_called_jpg_is_taken_as_what_it_is(self, quiet: QuietGateway) -> None:
        image = await image_after(quiet, json={"images": [{"base64": encoded(PNG), "name": "a.jpg"}]})
        assert image["status"] == "pending"
        assert image["original_filename"] == "a.jpg"
        assert any(name.endswith("original.png") for name in quiet.stored_files())

    async def test_a_body_in_chunks_is_taken(self, quiet: QuietGateway) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield JPEG[:100]
            yield JPEG[100:]

        await image_after(quiet, data=body(), headers={"Content-Type": "image/jpeg"})

    async def test_expect_100_continue_is_met(self, quiet: QuietGateway) -> None:
        await image_after(quiet, data=JPEG, headers={"Content-Type": "image/jpeg"}, expect100=True)


WRONG_SHAPES: dict[str, tuple[Any, str, str]] = {
    "no images field": ({}, "missing", "images is missing"),
    "no images": ({"images": []}, "no_images", "1 to 100 images, not 0"),
    "101 images": ({"images": [{"url": "https://example.com/a.jpg"}] * 101}, "too_many_images", "not 101"),
    "an array": ([], "wrong_type", "must be an object"),
    "images of a wrong type": ({"images": "a.jpg"}, "wrong_type", "images must be an array"),
    "an image of a wrong type": ({"images": [7]}, "wrong_type", "/images/0"),
    "a url of a wrong type": ({"images": [{"url": 7}]}, "wrong_type", "/images/0/url"),
    "a base64 of a wrong type": ({"images": [{"base64": ["x"]}]}, "wrong_type", "/images/0/base64"),
    "a name of a wrong type": (
        {"images": [{"url": "https://example.com/a.jpg", "name": 1}]}, "wrong_type", "/images/0/name",
    ),
    "an unknown field": ({"images": [{"url": "https://example.com/a.jpg", "x": 1}]}, "unknown_field", "'x'"),
    "an unknown field beside images": (
        {"images": [{"url": "https://example.com/a.jpg"}], "x": 1}, "unknown_field", "'x'",
    ),
    "an unknown option": (
        {"images": [{"url": "https://example.com/a.jpg"}], "options": {"x": 1}}, "unknown_field", "/options/x",
    ),
    "url and base64 together": (
        {"images": [{"url": "https://example.com/a.jpg", "base64": "AAAA"}]}, "one_source", "both url and base64",
    ),
    "neither url nor base64": ({"images": [{"name": "a.jpg"}]}, "one_source", "neither url nor base64"),
    "an ftp URL": ({"images": [{"url": "ftp://example.com/a.jpg"}]}, "bad_scheme", "not ftp"),
    "a file URL": ({"images": [{"url": "file:///etc/passwd"}]}, "bad_scheme", "not file"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_SHAPES)
async def test_a_wrong_shape_is_400_with_its_place_and_nothing_is_kept(
    quiet: QuietGateway, name: str
) -> None:
    batch, code, text = WRONG_SHAPES[name]

    status, problem = await post(quiet, json=batch)

    assert (status, problem["status"], problem["code"]) == (400, 400, code)
    assert text in problem["detail"]
    assert problem["errors"][0]["code"] == code
    assert await kept(quiet) == (0, [])


async def test_a_good_image_before_a_bad_one_is_not_kept_either(quiet: QuietGateway) -> None:
    batch = {"images": [{"base64": encoded(JPEG)}, {"url": "ftp://example.com/a.jpg"}]}
    status, problem = await post(quiet, json=batch)
    assert status == 400
    assert problem["errors"][0]["pointer"] == "/images/1/url"
    assert await kept(quiet) == (0, [])


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"{", b'{"images": NaN}', b'{"images": "\xff"}', b"\xff\xfe{"]
)
async def test_what_is_not_json_is_400(quiet: QuietGateway, body: bytes) -> None:
    status, problem = await post(quiet, data=body, headers={"Content-Type": "application/json"})
    assert (status, problem["code"]) == (400, "not_json")
    assert "not JSON" in problem["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "image/gif"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_media_type_or_encoding_that_is_not_taken_is_415(
    quiet: QuietGateway, headers: dict[str, str]
) -> None:
    status, problem = await post(quiet, data=b"{}", headers=headers)
    assert (status, problem["code"]) == (415, "unsupported_media_type")
    assert await kept(quiet) == (0, [])


async def test_a_body_without_type_is_415(quiet: QuietGateway) -> None:
    async with quiet.http.post(BATCH, data=b"{}", skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status == 415


BAD_CONTENTS: dict[str, tuple[str, str]] = {
    "broken base64": ("!!!not base64!!!", "bad_base64"),
    "no bytes": ("", "not_an_image"),
    "text": (encoded(b"hello, I am text called .jpg"), "not_an_image"),
    "a GIF": (encoded(b"GIF89a" + bytes(100)), "unsupported_type"),
    "a truncated JPEG": (encoded(JPEG[: len(JPEG) // 2]), "damaged"),
    "10 MB + 1 byte": (encoded(jpeg_of(MAX_IMAGE + 1)), "too_large"),
}


@pytest.mark.parametrize("name", BAD_CONTENTS)
async def test_bad_content_fails_that_image_alone(quiet: QuietGateway, name: str) -> None:
    content, code = BAD_CONTENTS[name]
    batch = {
        "images": [{"base64": content, "name": "bad.jpg"}, {"base64": encoded(JPEG), "name": "good.jpg"}]
    }

    status, created = await post(quiet, **as_json(batch))

    assert status == 201
    async with quiet.http.get(f"{BATCH}/{created['job_id']}") as answer:
        bad, good = (await answer.json())["images"]
    assert (bad["status"], bad["code"]) == ("failed", code)
    assert bad["error"]
    assert good["status"] == "pending"
    assert len(quiet.stored_files()) == 1


@pytest.mark.parametrize("name", BAD_CONTENTS)
async def test_strict_refuses_the_batch_for_bad_content_and_keeps_nothing(
    quiet: QuietGateway, name: str
) -> None:
    content, code = BAD_CONTENTS[name]
    batch = {"images": [{"base64": encoded(JPEG)}, {"base64": content, "name": "bad.jpg"}]}

    status, problem = await post(quiet, f"{BATCH}?strict=true", **as_json(batch))

    assert (status, problem["code"]) == (422, "content_refused")
    assert [fault["code"] for fault in problem["errors"]] == [code]
    assert problem["errors"][0]["pointer"].startswith("/images/1")
    assert await kept(quiet) == (0, [])


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.jpg", "http://[::1]/a.jpg", "http://169.254.169.254/x"])
async def test_strict_refuses_a_url_that_is_forbidden_as_it_stands(quiet: QuietGateway, url: str) -> None:
    status, problem = await post(quiet, f"{BATCH}?strict=true", json={"images": [{"url": url}]})
    assert (status, problem["errors"][0]["code"]) == (422, "download_refused")
    assert problem["errors"][0]["pointer"] == "/images/0/url"


async def test_strict_takes_a_good_batch(quiet: QuietGateway) -> None:
    status, _ = await post(quiet, f"{BATCH}?strict=true", json={"images": [{"base64": encoded(JPEG)}]})
    assert status == 201


@pytest.mark.parametrize("value", ["1", "yes", "TRUE", ""])
async def test_strict_is_true_or_false(quiet: QuietGateway, value: str) -> None:
    status, problem = await post(
        quiet, f"{BATCH}?strict={value}", json={"images": [{"base64": encoded(JPEG)}]}
    )
    assert (status, problem["code"]) == (400, "bad_parameter")
    assert "strict" in problem["detail"]


class TestTooLarge:
    """10 MB + 1 byte, by the ways that BAD_CONTENTS does not go."""

    async def test_by_multipart(self, quiet: QuietGateway) -> None:
        form = aiohttp.FormData()
        form.add_field("images", sent(jpeg_of(MAX_IMAGE + 1)), filename="a.jpg")
        image = await image_after(quiet, data=form)
        assert (image["status"], image["code"]) == ("failed", "too_large")
        assert quiet.stored_files() == []

    async def test_raw(self, quiet: QuietGateway) -> None:
        headers = {"Content-Type": "image/jpeg"}
        image = await image_after(quiet, data=sent(jpeg_of(MAX_IMAGE + 1)), headers=headers)
        assert (image["status"], image["code"]) == ("failed", "too_large")
        assert quiet.stored_files() == []

    async def test_ten_megabytes_are_taken(self, quiet: QuietGateway) -> None:
        image = await image_after(
            quiet, data=sent(jpeg_of(MAX_IMAGE)), headers={"Content-Type": "image/jpeg"}
        )
        assert image["status"] == "pending"


class TestBodies:
    """What aiohttp does not guard: a body's size and pace."""

    @pytest.fixture
    async def strict_gateway(self, tmp_path: Path) -> AsyncIterator[QuietGateway]:
        intake = IntakeSettings(
            max_json_bytes=2000, max_body_bytes=4000, max_requests=1, silence_s=0.3, grace_s=0.2,
            min_bytes_per_s=50_000,
        )  # fmt: skip
        async with quiet_gateway(tmp_path, intake=intake) as gateway:
            yield gateway

    async def asked(self, gateway: QuietGateway, head: str, body: bytes = b"") -> tuple[int, Any]:
        """The answer to a request that is sent byte by byte and whose body may never end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
        try:
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            status = int(answer.split()[1])
            length = int(answer.lower().partition(b"content-length: ")[2].split()[0])
            return status, json.loads(await reader.readexactly(length)) | {"connection": b"close" in answer}
        finally:
            writer.close()

    @pytest.mark.parametrize(("media_type", "size"), [("application/json", 2001), ("image/jpeg", 4001)])
    async def test_a_declared_size_over_the_bound_is_413_before_the_body(
        self, strict_gateway: QuietGateway, media_type: str, size: int
    ) -> None:
        head = f"Content-Type: {media_type}\r\nContent-Length: {size}"
        status, problem = await self.asked(strict_gateway, head)
        assert (status, problem["code"]) == (413, "too_large")
        assert problem["connection"]

    async def test_it_is_413_even_before_100_continue(self, strict_gateway: QuietGateway) -> None:
        head = "Content-Type: image/jpeg\r\nContent-Length: 4001\r\nExpect: 100-continue"
        status, _ = await self.asked(strict_gateway, head)
        assert status == 413

    async def test_another_expectation_is_417(self, strict_gateway: QuietGateway) -> None:
        head = "Content-Type: image/jpeg\r\nContent-Length: 1\r\nExpect: a-miracle"
        status, problem = await self.asked(strict_gateway, head)
        assert (status, problem["code"]) == (417, "expectation_failed")

    async def test_an_undeclared_size_over_the_bound_is_413(self, strict_gateway: QuietGateway) -> None:
        head = "Content-Type: image/jpeg\r\nTransfer-Encoding: chunked"
        status, _ = await self.asked(strict_gateway, head, b"1388\r\n" + jpeg_of(5000) + b"\r\n0\r\n\r\n")
        assert status == 413

    async def test_silence_is_408(self, strict_gateway: QuietGateway) -> None:
        head = "Content-Type: application/json\r\nContent-Length: 100"
        status, problem = await self.asked(strict_gateway, head, b"{")
        assert (status, problem["code"]) == (408, "too_slow")
        assert problem["connection"]

    async def test_a_trickle_is_408(self, strict_gateway: QuietGateway) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", strict_gateway.port)
        head = "Content-Type: application/json\r\nContent-Length: 1900"
        writer.write(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
        answer = asyncio.create_task(reader.readuntil(b"\r\n"))
        async with asyncio.timeout(10):
            while not answer.done():
                writer.write(b" ")
                await asyncio.sleep(0.05)
        assert (await answer).split()[1] == b"408"
        writer.close()

    async def test_broken_framing_is_no_batch(self, strict_gateway: QuietGateway) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", strict_gateway.port)
        head = "Content-Type: application/json\r\nTransfer-Encoding: chunked"
        writer.write(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n2\r\n{{}}\r\nzzz\r\n".encode())
        answer = await asyncio.wait_for(reader.readline(), 5)
        assert answer.split()[1] in (b"400", b"408")
        writer.close()

    async def test_more_requests_than_places_are_503_and_told_when_to_come_again(
        self, tmp_path: Path
    ) -> None:
        head = f"Content-Type: image/jpeg\r\nContent-Length: {len(JPEG)}\r\nExpect: 100-continue"
        headers = {"Content-Type": "image/jpeg"}
        async with quiet_gateway(tmp_path, intake=IntakeSettings(max_requests=1)) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            assert b"100 Continue" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            async with gateway.http.post(BATCH, data=JPEG, headers=headers) as answer:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) > 0
                assert (await answer.json(content_type=None))["code"] == "busy"
            writer.write(JPEG)
            assert b"201" in await asyncio.wait_for(reader.readline(), 5)
            async with gateway.http.post(BATCH, data=JPEG, headers=headers) as answer:
                assert answer.status == 201
            writer.close()

    async def test_who_leaves_in_the_middle_leaves_nothing_behind(self, quiet: QuietGateway) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", quiet.port)
        content = jpeg_of(2_000_000)
        head = f"Content-Type: image/jpeg\r\nContent-Length: {len(content)}"
        writer.write(f"POST {BATCH} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + content[:1_500_000])
        await writer.drain()
        async with asyncio.timeout(5):
            while not quiet.stored_files():
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while quiet.stored_files():
                await asyncio.sleep(0.01)
        assert await kept(quiet) == (0, [])

    async def test_a_gateway_that_stops_takes_no_more(self, quiet: QuietGateway) -> None:
        quiet.context.background.ask_to_stop()
        status, problem = await post(quiet, json={"images": [{"base64": encoded(JPEG)}]})
        assert (status, problem["code"]) == (503, "stopping")
