"""What an animated PNG must be: as many frames as it says, within the picture, each as large as it says."""

import io
import struct

import pytest
from PIL import Image

from gateway.errors import ContentError
from gateway.images.inspect import ImageLimits, Inspector
from tests.inspected import inspect, refused
from tests.png_parts import IEND, SIGNATURE, actl, animation, chunk, fctl, fdat, idat, ihdr, png, rows


def test_the_frames_of_an_animation_are_counted() -> None:
    assert inspect(animation(fctl(), fdat(), fctl(2, 3, left=46, top=29), fdat(rows(2, 3)))).frames == 3


def test_animations_that_programs_write_are_taken() -> None:
    frames = [Image.new("RGBA", (40, 30), colour) for colour in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])

    assert inspect(file.getvalue()).frames == 3


def test_a_frame_may_come_in_several_chunks() -> None:
    content = fdat()[12:-4]
    pieces = [chunk(b"fdAT", bytes(4) + content[start : start + 5]) for start in range(0, len(content), 5)]

    assert inspect(animation(fctl(), *pieces)).frames == 2


def test_the_picture_need_not_be_a_frame() -> None:
    assert inspect(png(actl(1), behind=fctl() + fdat())).frames == 1


def test_without_an_announcement_it_is_no_animation() -> None:
    assert inspect(png(fctl(), behind=chunk(b"fdAT", b"whatever"))).frames == 1


def test_as_many_frames_as_allowed_are_taken() -> None:
    assert inspect(animation(fctl(), fdat()), ImageLimits(max_frames=2)).frames == 2


def test_too_many_frames_show_by_what_is_announced() -> None:
    inspector = Inspector(ImageLimits(max_frames=2))

    with pytest.raises(ContentError) as caught:
        inspector.feed(SIGNATURE + ihdr() + actl(3))

    assert caught.value.code == "too_many_frames"


def test_all_frames_together_have_no_more_pixels_than_one_picture_may() -> None:
    one_too_many = ImageLimits(max_pixels=2 * 48 * 32 - 1)

    assert refused(animation(fctl(), fdat()), one_too_many).code == "too_many_pixels"
    assert inspect(animation(fctl(), fdat()), ImageLimits(max_pixels=2 * 48 * 32)).frames == 2


@pytest.mark.parametrize(
    ("frames", "said", "says"),
    [
        ([fctl(), fdat()], 1, "more frames than it says"),
        ([fctl(), fdat()], 3, "fewer frames than it says"),
        ([], 0, "without frames"),
        ([fctl(49, 32), fdat(rows(49, 32))], 2, "not within the picture"),
        ([fctl(48, 31, top=2), fdat(rows(48, 31))], 2, "not within the picture"),
        ([fctl(48, 32, left=2**32 - 1), fdat()], 2, "not within the picture"),
        ([fctl(0, 32), fdat()], 2, "not within the picture"),
        ([fctl(), fdat(rows()[:-1])], 2, "smaller than its header says"),
        ([fctl()], 2, "ends too early"),
        ([fctl(), chunk(b"fdAT", b"\0\0\0")], 2, "animation is broken"),
        ([chunk(b"fcTL", bytes(25))], 2, "animation is broken"),
        ([fdat()], 1, "without a frame"),
        ([fctl()[:-1] + b"?", fdat()], 2, "checksum"),
        ([fctl(), fdat()[:-1] + b"?"], 2, "checksum"),
    ],
)
def test_an_animation_that_contradicts_itself_is_damaged(frames: list[bytes], said: int, says: str) -> None:
    error = refused(animation(*frames, said=said))

    assert error.code == "damaged"
    assert says in error.text


@pytest.mark.parametrize(
    "control",
    [fctl(24, 32), fctl(48, 32, left=1), fctl() + fctl()],
    ids=["smaller", "elsewhere", "twice"],
)
def test_the_first_frame_is_the_picture(control: bytes) -> None:
    error = refused(png(actl(2), control, behind=fctl() + fdat()))

    assert "not its picture" in error.text


def test_a_frame_that_unpacks_to_more_is_a_bomb() -> None:
    assert refused(animation(fctl(), fdat(rows() + b"\0"))).code == "decompression_bomb"


def test_an_announcement_behind_the_picture_is_none() -> None:
    late = SIGNATURE + ihdr() + idat() + chunk(b"acTL", struct.pack(">II", 10**6, 0)) + IEND

    assert inspect(late).frames == 1
