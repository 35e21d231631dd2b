"""The picture that is sent: its size, its colours, which side is up, and that it holds nothing else."""

import base64
import io

import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.vision.picture import Picture, prepared
from tests.photos import a_jpeg, a_png, a_truncated_jpeg
from tests.pictures import china, jpeg_with_exif, tags_of

MAX_PIXELS = 1_000_000
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
TOP_LEFT = (0.25, 0.25)
QUARTERS = {(0.25, 0.25): RED, (0.75, 0.25): GREEN, (0.25, 0.75): BLUE, (0.75, 0.75): WHITE}
SECRETS = (b"Ada", b"Exif", b"http://ns.adobe.com", b"ICC_PROFILE", b"Photoshop")


def sent(image: bytes, longest_side: int = 256, *, with_position: bool = False) -> Picture:
    return prepared(image, longest_side, MAX_PIXELS, with_position)


def jpeg_of(picture: Picture) -> bytes:
    return base64.b64decode(picture.data_url.removeprefix("data:image/jpeg;base64,"), validate=True)


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(jpeg_of(picture)))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def in_quarters(width: int = 300, height: int = 200) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for (x, y), colour in QUARTERS.items():
        left, top = int((x - 0.25) * width), int((y - 0.25) * height)
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image


def is_near(found: object, expected: tuple[int, ...]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(mine - theirs) < 24 for mine, theirs in zip(found, expected, strict=True))


def colour_at(picture: Picture, place: tuple[float, float]) -> object:
    image = opened(picture)
    return image.getpixel((int(place[0] * image.width), int(place[1] * image.height)))


def exif(**tags: object) -> Image.Exif:
    found = Image.Exif()
    for name, value in tags.items():
        found[getattr(ExifTags.Base, name)] = value
    return found


def with_a_place() -> Image.Exif:
    found = exif(Artist="Ada")
    found[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 51.0, 30.24), 3: "E", 4: (2.0, 17.0, 40.2)}
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_large_picture_is_shrunk_to_the_longest_side(kind):
    assert opened(sent(saved(in_quarters(600, 400), kind), 150)).size == (150, 100)


def test_a_small_picture_keeps_its_size():
    assert opened(sent(a_png(64, 48))).size == (64, 48)


def test_a_very_long_picture_keeps_a_pixel_of_its_short_side():
    assert opened(sent(saved(Image.new("RGB", (2000, 1)), "PNG"))).size == (256, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_whatever_its_exif_turns_comes_upright(orientation, kind):
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what a camera held that way has stored
    upright = in_quarters()
    stored = upright.transpose(Image.Transpose(undone[orientation])) if orientation in undone else upright
    picture = sent(saved(stored, kind, exif=exif(Orientation=orientation)))
    assert opened(picture).size == (256, 171)
    assert all(is_near(colour_at(picture, place), colour) for place, colour in QUARTERS.items())


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("profile", [SRGB, None], ids=["with a profile", "without"])
def test_nothing_goes_along_but_pixels(profile):
    rich = saved(
        in_quarters(), "JPEG", exif=with_a_place(), comment=b"Ada was here", icc_profile=profile,
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>Ada</x:xmpmeta>",
    )  # fmt: skip
    assert all(secret in rich for secret in (b"Ada was here", b"Exif", b"http://ns.adobe.com"))
    jpeg = jpeg_of(sent(rich))
    assert not [secret for secret in SECRETS if secret in jpeg]
    assert {tag.partition(":")[0] for tag in tags_of(jpeg)} <= {
        "SourceFile",
        "ExifTool",
        "File",
        "JFIF",
        "Composite",
    }


def test_the_texts_of_a_png_stay_behind():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Ada")
    texts.add_itxt("XML:com.adobe.xmp", "<Ada/>")
    png = saved(in_quarters(), "PNG", pnginfo=texts, exif=with_a_place())
    assert b"Ada" in png
    assert b"Ada" not in jpeg_of(sent(png))


def test_a_place_is_told_when_it_is_asked_for():
    photo = saved(in_quarters(), "JPEG", exif=with_a_place())
    position = sent(photo, with_position=True).position
    assert position is not None
    assert (round(position.latitude, 4), round(position.longitude, 4)) == (48.8584, 2.2945)


def test_no_place_is_told_unasked():
    assert sent(saved(in_quarters(), "JPEG", exif=with_a_place())).position is None


def test_a_photo_without_a_place_tells_none():
    assert sent(a_jpeg(), with_position=True).position is None


def test_what_shines_through_is_white():
    glass = Image.new("RGBA", (64, 48), (255, 0, 0, 0))
    assert is_near(colour_at(sent(saved(glass, "PNG")), TOP_LEFT), WHITE)


def test_a_colour_that_stands_for_nothing_is_white():
    assert is_near(
        colour_at(sent(saved(Image.new("RGB", (600, 400), RED), "PNG", transparency=RED)), TOP_LEFT), WHITE
    )


def test_a_colour_that_stands_for_nothing_does_not_show_where_it_is_averaged():
    striped = Image.new("RGB", (900, 900), BLUE)
    for row in range(0, 900, 2):
        striped.paste(RED, (0, row, 900, row + 1))
    colour = opened(sent(saved(striped, "PNG", transparency=RED))).resize((1, 1)).getpixel((0, 0))
    assert isinstance(colour, tuple)
    assert colour[1] > 64  # the green of white and blue; red and blue have none


@pytest.mark.parametrize(
    ("mode", "kind", "colour", "shown"),
    [
        ("L", "JPEG", 128, (128, 128, 128)),
        ("L", "PNG", 128, (128, 128, 128)),
        ("1", "PNG", 1, WHITE),
        ("I;16", "PNG", 32768, (128, 128, 128)),
        ("LA", "PNG", (128, 255), (128, 128, 128)),
        ("RGBA", "PNG", (0, 0, 255, 255), BLUE),
        ("CMYK", "JPEG", (0, 255, 255, 0), (255, 0, 0)),
    ],
)
def test_every_kind_of_picture_becomes_rgb(mode, kind, colour, shown):
    picture = sent(saved(Image.new(mode, (600, 400), colour), kind))
    assert opened(picture).mode == "RGB"
    assert is_near(colour_at(picture, TOP_LEFT), shown)


def test_a_palette_keeps_its_colours():
    assert is_near(colour_at(sent(saved(in_quarters().quantize(4), "PNG")), (0.75, 0.25)), GREEN)


def test_colours_of_another_profile_become_those_of_srgb():
    """In this one, what is stored as red means green."""
    swapped = SRGB.replace(b"rXYZ", b"tmp1").replace(b"gXYZ", b"rXYZ").replace(b"tmp1", b"gXYZ")
    photo = saved(Image.new("RGB", (64, 48), RED), "PNG", icc_profile=swapped)
    assert is_near(colour_at(sent(photo), TOP_LEFT), GREEN)


@pytest.mark.parametrize("profile", [b"", b"no profile", b"\0" * 200], ids=["empty", "text", "zeros"])
def test_a_profile_that_is_broken_does_no_harm(profile):
    assert is_near(colour_at(sent(saved(in_quarters(), "PNG", icc_profile=profile)), TOP_LEFT), RED)


def test_a_real_photo_with_a_profile_comes_out_well():
    assert opened(sent(china())).size == (256, 171)


def test_damaged_exif_does_no_harm():
    assert opened(sent(jpeg_with_exif(a_jpeg(), b"MM\0*\xff\xff\xff\xff"))).size == (64, 48)


@pytest.mark.parametrize(
    "image", [a_truncated_jpeg(), b"", b"GIF89a", a_png()[:60]], ids=["cut", "empty", "GIF", "cut PNG"]
)
def test_what_can_not_be_decoded_fails_its_image(image):
    with pytest.raises(AnalysisFailed) as caught:
        sent(image)
    assert caught.value.code == "analysis_failed"


def test_more_pixels_than_allowed_are_not_decoded():
    with pytest.raises(AnalysisFailed, match="too many pixels"):
        prepared(a_jpeg(), 256, 64 * 48 - 1, False)
