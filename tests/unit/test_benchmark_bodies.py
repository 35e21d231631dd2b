"""tests.benchmarks: large bodies are what they say, though nobody ever holds one."""

import base64
import email
import io
import json

import pytest
from PIL import Image

from tests.benchmarks.large_bodies import LargeBody, grainy_jpeg
from tests.photos import a_jpeg

IMAGES, BYTES = 3, 200_000


@pytest.mark.parametrize("beyond", [4, 65_000, 65_001, 65_003, 65_004, 130_000, 130_002])
def test_a_grainy_jpeg_is_an_image_of_that_size_however_its_segments_come_out(beyond: int) -> None:
    photo = grainy_jpeg(len(a_jpeg()) + beyond)
    assert len(photo) == len(a_jpeg()) + beyond
    with Image.open(io.BytesIO(photo)) as image:
        image.load()


@pytest.mark.parametrize("kind", ["json", "escaped"])
def test_a_body_of_json_holds_its_images(kind: str) -> None:
    body = LargeBody(kind, IMAGES, BYTES)  # type: ignore[arg-type]
    images = json.loads(b"".join(body.pieces()))["images"]
    assert [image["name"] for image in images] == ["0.jpg", "1.jpg", "2.jpg"]
    assert {base64.b64decode(image["base64"]) for image in images} == {grainy_jpeg(BYTES)}


def test_an_escaped_body_has_no_slash_without_a_backslash() -> None:
    sent = b"".join(LargeBody("escaped", IMAGES, BYTES).pieces())
    assert sent.count(b"/") == sent.count(rb"\/") > 1000


def test_a_multipart_body_holds_its_images() -> None:
    body = LargeBody("multipart", IMAGES, BYTES)
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    _, *parts = email.message_from_bytes(head + b"".join(body.pieces())).walk()
    assert [part.get_filename() for part in parts] == ["0.jpg", "1.jpg", "2.jpg"]
    assert {part.get_payload(decode=True) for part in parts} == {grainy_jpeg(BYTES)}


@pytest.mark.parametrize("kind", ["json", "escaped", "multipart"])
def test_the_length_is_told_before_anything_is_sent(kind: str) -> None:
    body = LargeBody(kind, IMAGES, BYTES)  # type: ignore[arg-type]
    assert body.length == len(b"".join(body.pieces()))
