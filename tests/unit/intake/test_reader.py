import pytest

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput, UnsupportedMedia
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.reader import read_batch
from gateway.intake.settings import IntakeSettings
from gateway.metadata import FieldPolicy, MetadataPolicy


async def chunks(*pieces: bytes):
    for piece in pieces:
        yield piece


async def drain(batch: IncomingBatch) -> None:
    async for member in batch:
        if isinstance(member, SentImage):
            async for _ in member.body:
                pass


async def test_a_raw_image_is_a_batch_of_one_with_the_name_that_was_given():
    images = read_batch(
        chunks(b"\xff\xd8", b"\xff"), content_type="image/jpeg", name="a.jpg", settings=IntakeSettings()
    )
    image = await anext(images)
    assert isinstance(image, SentImage)
    assert image.index == 0
    assert b"".join([piece async for piece in image.body]) == b"\xff\xd8\xff"
    assert [member async for member in images] == [BatchOutline((ImageOutline("a.jpg"),))]


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "image/gif", "garbage;;"])
def test_another_media_type_is_refused_and_those_taken_are_listed(content_type):
    with pytest.raises(
        UnsupportedMedia, match="application/json, multipart/form-data, image/jpeg, image/png"
    ):
        read_batch(chunks(), content_type=content_type, name=None, settings=IntakeSettings())


async def test_a_media_type_of_any_bytes_is_told_in_ascii():
    with pytest.raises(UnsupportedMedia, match=r"^Media type text/\?\? is not taken") as caught:
        read_batch(chunks(), content_type="text/\udcffö", name=None, settings=IntakeSettings())
    assert caught.value.text.isascii()


OF_EVERY_KIND = pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/jpeg", b"\xff\xd8"),
        ("application/json", b'{"images": [{"url": "https://example.com/a.jpg"}]}'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name=a; filename="a"\r\n\r\none\r\n--x--\r\n',
        ),
    ],
    ids=["raw", "JSON", "multipart"],
)


@OF_EVERY_KIND
async def test_options_that_stand_beside_a_body_stand_in_the_outline(content_type, body):
    batch = read_batch(chunks(body), content_type=content_type, options=[APPEND], settings=IntakeSettings())
    *_, outline = [member async for member in batch]
    assert isinstance(outline, BatchOutline)
    assert outline.options == BatchOptions(MetadataPolicy(description=FieldPolicy.APPEND))


APPEND = '{"metadata": {"description": "append"}}'


@OF_EVERY_KIND
def test_options_beside_a_body_may_stand_once(content_type, body):
    with pytest.raises(BadInput, match=r"The request has options twice\."):
        read_batch(chunks(body), content_type=content_type, options=["{}", APPEND], settings=IntakeSettings())


async def test_options_in_a_body_and_beside_it_are_refused_for_nobody_knows_which_were_meant():
    body = b'{"images": [{"url": "https://example.com/a.jpg"}], "options": {}}'
    with pytest.raises(BadInput, match=r"The request has options twice\."):
        await drain(
            read_batch(
                chunks(body), content_type="application/json", options=[APPEND], settings=IntakeSettings()
            )
        )


@pytest.mark.parametrize("options", [[], [APPEND]], ids=["without options", "with options"])
async def test_a_batch_that_is_closed_gives_up_the_image_that_is_being_read(options):
    batch = read_batch(
        chunks(b'{"images": [{"base64": "', b"A" * 4000, b'"}]}'),
        content_type="application/json",
        options=options,
        settings=IntakeSettings(),
    )
    image = await anext(batch)
    assert isinstance(image, SentImage)
    await batch.aclose()
    with pytest.raises(RuntimeError, match="given up"):
        await anext(image.body)


@pytest.mark.parametrize(
    ("options", "code"), [("", "not_json"), ("{", "not_json"), ("\udcff", "not_json"), ("[]", "wrong_type")]
)
def test_options_beside_a_body_that_are_wrong_are_refused_at_once(options, code):
    with pytest.raises(BadInput) as caught:
        read_batch(chunks(), content_type="image/jpeg", options=[options], settings=IntakeSettings())
    assert caught.value.code == code
