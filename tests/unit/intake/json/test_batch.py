import asyncio
import base64
from collections.abc import AsyncIterator

import orjson
import pytest

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput, ContentError, GatewayError, TooLarge, TooSlow
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.json.batch import json_batch
from gateway.intake.settings import IntakeSettings
from gateway.metadata import FieldPolicy, MetadataPolicy
from tests.cuts import arriving
from tests.traced_memory import traced_memory

A_URL = "https://example.com/photo1.jpg"
SIZE = 64 * 1024


def batch_of(body: AsyncIterator[bytes] | bytes, max_images: int = 100) -> IncomingBatch:
    if isinstance(body, bytes):
        body = arriving([body[at : at + SIZE] for at in range(0, len(body), SIZE)])
    return json_batch(body, IntakeSettings(max_images=max_images))


async def next_image(batch: IncomingBatch) -> SentImage:
    image = await anext(batch)
    assert isinstance(image, SentImage)
    return image


async def content_of(image: SentImage) -> bytes:
    return b"".join([piece async for piece in image.body])


async def outline_of(body: bytes, max_images: int = 100) -> BatchOutline:
    *_, last = [member async for member in batch_of(body, max_images)]
    assert isinstance(last, BatchOutline)
    return last


async def refused(body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await outline_of(body)
    return caught.value


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def test_images_that_were_sent_along_come_first_with_their_place_and_then_the_outline():
    batch = batch_of(
        orjson.dumps(
            {
                "images": [
                    {"url": A_URL, "name": "photo1.jpg"},
                    {"base64": encoded(b"bytes")},
                    {"name": "photo3.jpg", "base64": encoded(b"more bytes")},
                ]
            }
        )
    )
    second = await next_image(batch)
    assert second.index == 1
    assert await content_of(second) == b"bytes"
    third = await next_image(batch)
    assert third.index == 2
    assert await content_of(third) == b"more bytes"
    images = (ImageOutline("photo1.jpg", A_URL), ImageOutline(), ImageOutline("photo3.jpg"))
    assert [member async for member in batch] == [BatchOutline(images)]


async def test_options_stand_in_the_outline():
    body = b'{"images": [{"url": "%s"}], "options": {"metadata": {"title": "keep"}}}' % A_URL.encode()
    options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
    assert await outline_of(body) == BatchOutline((ImageOutline(url=A_URL),), options)


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"images": NaN}', b"\xff\xfe", b'{"images": []} x'])
async def test_what_is_not_json_is_said_to_be_so(body: bytes):
    error = await refused(body)
    assert error.code == "not_json"
    assert error.text.startswith("The body is not JSON: ")


async def test_faults_of_shape_come_where_the_outline_would():
    batch = batch_of(orjson.dumps({"images": [{"base64": encoded(b"bytes"), "url": A_URL}, {}], "x": 1}))
    assert await content_of(await next_image(batch)) == b"bytes"
    with pytest.raises(BadInput) as caught:
        await anext(batch)
    assert [fault.pointer for fault in caught.value.faults] == ["/x", "/images/0", "/images/1"]


A_BATCH = b'"images": [{"url": "https://example.com/photo1.jpg"}]'
KEEP = b'"options": {"metadata": {"title": "keep"}}'


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{%b, "options" : {"metadata": {"title": "keep", "title": "replace"}}}' % A_BATCH, "title"),
        (b'{"options":{"metadata": {}, "metadata": {}}, %b}' % A_BATCH, "metadata"),
        (b"{%b, %b, %b}" % (KEEP, A_BATCH, KEEP), "options"),
        (b"{%b, %b}" % (A_BATCH, A_BATCH), "images"),
        (b'{"images": [{"base64": "AAAA", "b\\u0061se64": "AAAA"}]}', "base64"),
    ],
)
async def test_a_key_twice_is_refused_for_nobody_knows_what_was_meant(body: bytes, key: str):
    error = await refused(body)
    assert error.code == "key_twice"
    assert repr(key) in error.text


@pytest.mark.parametrize(
    "name", ["options", 'x"options": {"a": 1, "a": 1}', "\\", 'a", "options":{"a":1,"a":1}']
)
async def test_a_name_that_looks_like_options_is_none(name: str):
    batch = {"images": [{"url": A_URL, "name": name}], "options": {"metadata": {"title": "keep"}}}
    assert (await outline_of(orjson.dumps(batch))).images[0].name == name


async def test_names_and_urls_may_hold_any_number_of_commas_and_braces():
    image = {"url": "https://example.com/a,b:c/" + ",:" * 400, "name": "a, [b]: {c}.jpg"}
    assert len((await outline_of(orjson.dumps({"images": [image] * 100}))).images) == 100


async def test_a_bound_of_more_images_allows_for_more_parts():
    body = orjson.dumps({"images": [{"url": A_URL, "name": "a.jpg"}] * 20_000})
    assert len((await outline_of(body, max_images=20_000)).images) == 20_000


@pytest.mark.parametrize("unit", [b"{},", b"[],", b"0,", b'"",'])
async def test_a_body_of_very_many_values_is_too_complex_and_not_read_to_its_end(unit: bytes):
    body = arriving([b'{"images":[', *[unit * 10_000] * 20])
    with pytest.raises(BadInput, match="too complex"):
        await anext(batch_of(body))
    assert [chunk async for chunk in body] != []


async def test_what_is_not_base64_is_bounded_and_not_read_to_its_end():
    body = arriving([b'{"images": [{"url": "', *[b"x" * SIZE] * 20])
    with pytest.raises(TooLarge, match="besides what stands at images"):
        await anext(batch_of(body))
    assert [chunk async for chunk in body] != []


async def test_an_image_is_there_before_the_body_has_ended():
    body = arriving([b'{"images": [{"base64": "AAAAAAAA', b'AAAA"}]}'])
    image = await next_image(batch_of(body))
    assert await anext(image.body) == bytes(6)
    assert await anext(body) == b'AAAA"}]}'


TWO_IMAGES = [b'{"images": [{"base64": "', *[b"A" * SIZE] * 3, b'"}, {"base64": "aGVsbG8="}]}']


@pytest.mark.parametrize("pieces_read", [0, 1, 3])
async def test_an_image_that_is_left_makes_room_for_the_next(pieces_read: int):
    batch = batch_of(arriving(TWO_IMAGES))
    left = await next_image(batch)
    for _ in range(pieces_read):
        await anext(left.body)
    assert await content_of(await next_image(batch)) == b"hello"
    assert await content_of(left) == b""


async def test_an_image_that_was_left_takes_nothing_of_the_next():
    batch = batch_of(arriving(TWO_IMAGES))
    left = await next_image(batch)
    image = await next_image(batch)
    assert await content_of(left) == b""
    assert await content_of(image) == b"hello"


async def test_an_image_that_was_left_has_to_be_json_all_the_same():
    batch = batch_of(b'{"images": [{"base64": "AAAA\\x"}]}')
    await next_image(batch)
    with pytest.raises(BadInput, match="not JSON"):
        await anext(batch)


async def test_an_image_whose_base64_is_wrong_fails_alone():
    batch = batch_of(b'{"images": [{"base64": "aGVs*G8="}, {"base64": "aGVsbG8="}]}')
    image = await next_image(batch)
    assert await anext(image.body) == b"hel"
    with pytest.raises(ContentError, match="broken base64: a character outside") as caught:
        await anext(image.body)
    assert caught.value.code == "bad_base64"
    assert await content_of(await next_image(batch)) == b"hello"


@pytest.mark.parametrize("rest", [b"", b"\n", b"\\x", b"\xff", b"AAAA"])
async def test_a_text_that_does_not_end_as_json_is_a_fault_of_the_request_not_of_the_image(rest: bytes):
    image = await next_image(batch_of(arriving([b'{"images": [{"base64": "AAAA', rest])))
    with pytest.raises(BadInput, match="not JSON"):
        await content_of(image)


async def test_what_ends_the_stream_ends_the_image_that_is_read():
    async def body() -> AsyncIterator[bytes]:
        yield b'{"images": [{"base64": "AAAA'
        raise TooSlow("The sender took too long.")

    image = await next_image(batch_of(body()))
    with pytest.raises(TooSlow):
        await content_of(image)


async def test_an_image_whose_reader_was_cancelled_is_never_taken_for_whole():
    async def body() -> AsyncIterator[bytes]:
        yield b'{"images": [{"base64": "AAAA'
        await asyncio.Event().wait()

    image = await next_image(batch_of(body()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await content_of(image)
    with pytest.raises(RuntimeError, match="given up"):
        await content_of(image)


async def test_others_get_a_turn_while_a_hostile_chunk_is_read():
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    body = arriving([b"[" + b'"",' * 3000 + b"0]"])
    with pytest.raises(BadInput, match="must be an object"):
        await anext(batch_of(body))
    counting.cancel()
    assert turns > 20


async def test_a_hundred_megabytes_take_no_memory():
    content = bytes(range(256)) * 768
    text = encoded(content).encode()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"images": [{"base64": "'
        for _ in range(400):
            yield text
        yield b'"}]}'

    batch = batch_of(body())
    image = await next_image(batch)
    with traced_memory() as traced:
        size = 0
        async for piece in image.body:
            size += len(piece)
    assert size == 400 * len(content)
    assert traced.peak_bytes < 4 * len(text)
