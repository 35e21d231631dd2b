import pytest

from gateway.errors import TooLarge, UnsupportedMedia
from gateway.intake.batch import IncomingImages, SentImage
from gateway.intake.reader import read_images
from gateway.intake.settings import IntakeSettings


async def chunks(*pieces: bytes):
    for piece in pieces:
        yield piece


async def drain(images: IncomingImages) -> None:
    async for image in images:
        assert isinstance(image, SentImage)
        async for _ in image.body:
            pass


async def test_a_raw_image_is_a_batch_of_one_with_the_name_that_was_given():
    images = read_images(
        chunks(b"\xff\xd8", b"\xff"), content_type="image/jpeg", name="a.jpg", settings=IntakeSettings()
    )
    async for image in images:
        assert isinstance(image, SentImage)
        assert image.name == "a.jpg"
        assert b"".join([piece async for piece in image.body]) == b"\xff\xd8\xff"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "image/gif", "garbage;;"])
def test_another_media_type_is_refused_and_those_taken_are_listed(content_type):
    with pytest.raises(
        UnsupportedMedia, match="application/json, multipart/form-data, image/jpeg, image/png"
    ):
        read_images(chunks(), content_type=content_type, name=None, settings=IntakeSettings())


async def test_a_media_type_of_any_bytes_is_told_in_ascii():
    with pytest.raises(UnsupportedMedia, match=r"^Media type text/\?\? is not taken") as caught:
        read_images(chunks(), content_type="text/\udcffö", name=None, settings=IntakeSettings())
    assert caught.value.text.isascii()


@pytest.mark.parametrize("content_type", ["image/png", 'multipart/form-data; boundary="x"'])
async def test_a_streamed_body_over_the_bound_is_too_large(content_type):
    settings = IntakeSettings(max_body_bytes=2048)
    body = chunks(b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n", b"x" * 2048)
    with pytest.raises(TooLarge, match="2048 bytes"):
        await drain(read_images(body, content_type=content_type, name=None, settings=settings))
