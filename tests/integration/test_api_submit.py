"""POST of a batch: what is taken, and what is refused with which status, code and text; nothing of it is kept."""

import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.photos import padded
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway

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
    """A JPEG with comments."""
    return padded(JPEG, size)


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
    "101 images": ({"images": [{"url": "https://example.com/a.jpg"}] * 101}, "too_many_images", "not more"),
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
    ],
)
async def test_a_media_type_that_is_not_taken_is_415(quiet: QuietGateway, headers: dict[str, str]) -> None:
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
