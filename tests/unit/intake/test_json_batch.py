import base64
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput, TooLarge
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.json_batch import json_batch, parse_batch
from gateway.intake.settings import IntakeSettings
from gateway.metadata import FieldPolicy, MetadataPolicy

A_URL = "https://example.com/photo1.jpg"


def refused(document: Any) -> BadInput:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    with pytest.raises(BadInput) as caught:
        parse_batch(body, max_images=100)
    return caught.value


def pointers(error: BadInput) -> list[str]:
    return [fault.pointer for fault in error.faults]


async def test_images_that_were_sent_along_come_first_with_their_place_and_then_the_outline():
    document = {
        "images": [
            {"url": A_URL, "name": "photo1.jpg"},
            {"base64": base64.b64encode(b"bytes").decode()},
        ]
    }
    members = json_batch(in_chunks(orjson.dumps(document)), IntakeSettings())
    image = await anext(members)
    assert isinstance(image, SentImage)
    assert image.index == 1
    assert b"".join([chunk async for chunk in image.body]) == b"bytes"
    assert await anext(members) == BatchOutline((ImageOutline("photo1.jpg", A_URL), ImageOutline()))
    assert [member async for member in members] == []


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"images": NaN}', b"\xff\xfe", b'{"images": []} x'])
def test_what_is_not_json_is_said_to_be_so(body):
    assert refused(body).code == "not_json"


@pytest.mark.parametrize(
    ("document", "pointer", "word"),
    [
        ([], "", "an array"),
        (None, "", "null"),
        ({}, "/images", "missing"),
        ({"images": {}}, "/images", "an object"),
        ({"images": []}, "/images", "not 0"),
        ({"images": [{"url": A_URL}] * 101}, "/images", "not 101"),
        ({"images": ["x"]}, "/images/0", "a string"),
        ({"images": [{}]}, "/images/0", "neither"),
        ({"images": [{"url": None}]}, "/images/0", "neither"),
        ({"images": [{"url": A_URL, "base64": "AAAA"}]}, "/images/0", "both"),
        ({"images": [{"url": 7}]}, "/images/0/url", "a number"),
        ({"images": [{"base64": ["AAAA"]}]}, "/images/0/base64", "an array"),
        ({"images": [{"url": A_URL, "name": True}]}, "/images/0/name", "a boolean"),
        ({"images": [{"url": A_URL, "name": "x" * 5000}]}, "/images/0/name", "longer"),
        ({"images": [{"url": A_URL, "a/b~": 1}]}, "/images/0/a~1b~0", "known are url, base64, name"),
        ({"images": [{"url": A_URL}], "image": 1}, "/image", "known are images, options"),
        ({"images": [{"url": A_URL}], "options": 1}, "/options", "a number"),
        ({"images": [{"url": A_URL}], "options": None}, "/options", "null"),
        ({"images": [{"url": A_URL}], "options": {"x": 1}}, "/options/x", "known is metadata"),
        ({"images": [{"url": "ftp://example.com/a.jpg"}]}, "/images/0/url", "ftp"),
        ({"images": [{"url": "file:///etc/passwd"}]}, "/images/0/url", "file"),
        ({"images": [{"url": "photo.jpg"}]}, "/images/0/url", "without scheme"),
        ({"images": [{"url": "http://"}]}, "/images/0/url", "no host"),
        ({"images": [{"url": "http://[::1/a.jpg"}]}, "/images/0/url", "not a valid URL"),
        ({"images": [{"url": "http://example.com:99999/"}]}, "/images/0/url", "not a valid URL"),
    ],
)
def test_a_wrong_shape_is_told_with_its_place(document, pointer, word):
    error = refused(document)
    assert pointers(error) == [pointer]
    assert word in error.text


def test_every_fault_is_told():
    error = refused({"images": [{"url": 7}, {"url": A_URL}, {}], "extra": 1})
    assert pointers(error) == ["/extra", "/images/0/url", "/images/2"]
    assert "2 more" in error.text


def test_a_thousand_faults_are_told_as_twenty():
    assert len(refused({"images": [{}] * 100, **{f"key{n}": 1 for n in range(900)}}).faults) == 20


async def test_options_stand_in_the_outline():
    document = b'{"images": [{"url": "%s"}], "options": {"metadata": {"title": "keep"}}}' % A_URL.encode()
    (outline,) = [member async for member in json_batch(in_chunks(document), IntakeSettings())]
    options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
    assert outline == BatchOutline((ImageOutline(url=A_URL),), options)


A_BATCH = b'"images": [{"url": "https://example.com/photo1.jpg"}]'
KEEP = b'"options": {"metadata": {"title": "keep"}}'


@pytest.mark.parametrize(
    ("document", "key"),
    [
        (b'{%s, "options" : {"metadata": {"title": "keep", "title": "replace"}}}' % A_BATCH, "title"),
        (b'{"options":{"metadata": {}, "metadata": {}}, %s}' % A_BATCH, "metadata"),
        (b"{%s, %s, %s}" % (KEEP, A_BATCH, KEEP), "options"),
    ],
)
def test_options_with_a_key_twice_are_refused_for_nobody_knows_what_was_meant(document, key):
    error = refused(document)
    assert error.code == "key_twice"
    assert repr(key) in str(error)


@pytest.mark.parametrize(
    "name", ["options", 'x"options": {"a": 1, "a": 1}', "\\", 'a", "options":{"a":1,"a":1}']
)
def test_a_name_that_looks_like_options_is_none(name):
    batch = {"images": [{"url": A_URL, "name": name}], "options": {"metadata": {"title": "keep"}}}
    outline, _ = parse_batch(orjson.dumps(batch), max_images=100)
    assert outline.images[0].name == name


def test_options_in_a_long_body_are_read_to_their_end():
    batch = {"options": {"metadata": {"title": "keep"}}, "images": [{"base64": "Ä" * 100_000}]}
    outline, _ = parse_batch(orjson.dumps(batch), max_images=100)
    assert outline.options == BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))


def test_options_of_blanks_without_end_are_refused():
    error = refused(b'{%s, "options": {%s}}' % (A_BATCH, b" " * 70_000))
    assert error.code == "too_long"


def test_faults_of_options_and_of_images_are_told_together():
    error = refused({"images": [{}], "options": {"metadata": {"title": "shout"}}})
    assert pointers(error) == ["/options/metadata/title", "/images/0"]


async def test_a_body_over_the_bound_is_too_large():
    async def body():
        for _ in range(3):
            yield b" " * 1000

    with pytest.raises(TooLarge, match="2048 bytes"):
        await anext(json_batch(body(), IntakeSettings(max_json_bytes=2048)))


@pytest.mark.parametrize("url", ["http://a\\@127.0.0.1/", "http://a b/", "http://a..b/", "http:a.jpg"])
def test_a_url_that_the_downloader_could_not_read_is_refused(url):
    error = refused({"images": [{"url": url}]})
    assert (error.code, pointers(error)) == ("bad_url", ["/images/0/url"])


async def images_of(batch: IncomingBatch) -> Sequence[ImageOutline]:
    (outline,) = [member async for member in batch if isinstance(member, BatchOutline)]
    return outline.images


async def in_chunks(document: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(document), size):
        yield document[start : start + size]


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'"0":0,', b"0,"])
async def test_a_document_of_very_many_values_is_too_complex_and_not_read_to_its_end(unit):
    document = b'{"images":[{' + unit * 200_000 + b"}]}"
    body = in_chunks(document)
    with pytest.raises(BadInput, match="too complex: more than 100000 of the characters") as caught:
        await anext(json_batch(body, IntakeSettings()))
    assert caught.value.code == "too_complex"
    assert [chunk async for chunk in body] != []


async def test_what_came_while_the_document_was_short_counts_with_the_rest():
    document = b'{"images":[' + b"0," * 40_000 + b'"' + b" " * 64 * 1024 + b'",' + b"0," * 65_000 + b"0]}"
    body = in_chunks(document, 80_000)
    with pytest.raises(BadInput, match="too complex"):
        await anext(json_batch(body, IntakeSettings()))


async def test_names_and_urls_may_hold_the_characters_that_are_counted():
    image = {"url": "https://example.com/a,b:c/" + ",:" * 400, "name": "a, [b]: {c}.jpg"}
    body = in_chunks(orjson.dumps({"images": [image] * 100}))
    assert len(await images_of(json_batch(body, IntakeSettings()))) == 100


async def test_a_bound_of_more_images_allows_for_more_structure():
    body = in_chunks(orjson.dumps({"images": [{"url": A_URL, "name": "a.jpg"}] * 20_000}))
    assert len(await images_of(json_batch(body, IntakeSettings(max_images=20_000)))) == 20_000


async def test_the_document_is_let_go_and_then_each_image_even_one_that_is_left_unread():
    size = 1024 * 1024
    document = orjson.dumps({"images": [{"base64": "A" * size}] * 4})
    tracemalloc.start()
    held = [
        round(tracemalloc.get_traced_memory()[0] / size)
        async for _ in json_batch(in_chunks(document), IntakeSettings())
    ]
    tracemalloc.stop()
    assert held == [4, 3, 2, 1, 0]
