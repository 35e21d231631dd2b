"""Which photos are sent, in which batches, and where their copies go."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.settings import IntakeSettings
from gateway.shell.output import OutputFolder
from gateway.shell.plan import MAX_BATCH_BYTES, MAX_IMAGES, Failure, Photo, batches, find_photos
from tests.too_deep import too_deep

MB = 1024 * 1024


def photo(number: int, size: int) -> Photo:
    path = Path(f"{number}.jpg")
    return Photo(path, path, size)


def sizes(*numbers: int) -> list[Photo]:
    return [photo(number, size) for number, size in enumerate(numbers)]


def names(folder: Path, **options: Path) -> list[str]:
    return [str(found.name) for found in find_photos([folder], **options).photos]


def files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


# --- batches


@given(
    st.lists(st.integers(0, 50)).map(lambda found: sizes(*found)), st.integers(1, 7), st.integers(1, 60)
)  # fmt: skip
def test_batches_hold_every_photo_once_in_order_and_within_bounds(photos, max_images, max_bytes):
    planned = batches(photos, max_images, max_bytes)
    assert [each for batch in planned for each in batch] == photos
    for batch in planned:
        assert 1 <= len(batch) <= max_images
        assert len(batch) == 1 or sum(each.size for each in batch) <= max_bytes


def test_a_batch_is_filled_to_its_bounds():
    planned = batches(sizes(4, 6, 1, 1, 1, 1), 3, max_bytes=10)
    assert [[each.size for each in batch] for batch in planned] == [[4, 6], [1, 1, 1], [1]]


def test_a_photo_that_is_too_large_goes_alone():
    planned = batches(sizes(1, 99, 1), 100, max_bytes=10)
    assert [[each.size for each in batch] for batch in planned] == [[1], [99], [1]]


def test_a_hundred_ordinary_photos_go_as_one_batch():
    assert len(batches(sizes(*[2 * MB] * MAX_IMAGES), MAX_IMAGES)) == 1


def test_a_batch_fits_into_what_a_gateway_takes_by_default_with_room_for_what_multipart_adds():
    assert IntakeSettings().max_body_bytes >= MAX_BATCH_BYTES + MAX_IMAGES * 1024


def test_nothing_makes_no_batch():
    assert batches([], 100) == []


# --- photos


def test_a_folder_gives_its_jpeg_and_png_files_at_every_depth_sorted(tmp_path):
    files(tmp_path, "b.JPG", "a.jpeg", "c.txt", "sub/z.PNG", "sub/deep/y.jpg", "d.jpg.bak")
    assert names(tmp_path) == ["a.jpeg", "b.JPG", "sub/z.PNG", "sub/deep/y.jpg"]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    files(tmp_path, "._a.jpg", ".thumbs/a.jpg", "a.jpg")
    assert names(tmp_path) == ["a.jpg"]


def test_a_file_that_is_named_is_sent_whatever_it_is_called(tmp_path):
    files(tmp_path, "scan")
    assert [found.name for found in find_photos([tmp_path / "scan"]).photos] == [Path("scan")]


def test_a_photo_that_is_reached_twice_is_sent_once(tmp_path):
    files(tmp_path, "a.jpg")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert len(find_photos([tmp_path, tmp_path / "a.jpg", tmp_path]).photos) == 1


def test_a_link_gives_way_to_its_file_with_a_line(tmp_path):
    files(tmp_path, "sub/IMG_0001.jpg")
    (tmp_path / "link.jpg").symlink_to("sub/IMG_0001.jpg")
    found = find_photos([tmp_path])
    assert [photo.name for photo in found.photos] == [Path("sub/IMG_0001.jpg")]
    assert found.passed_over == ["link.jpg is a link to sub/IMG_0001.jpg, which is sent: passed over"]


def test_a_link_to_a_file_elsewhere_is_sent_once(tmp_path):
    files(tmp_path, "elsewhere/x.jpg")
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "photos" / name).symlink_to(tmp_path / "elsewhere/x.jpg")
    found = find_photos([tmp_path / "photos"])
    assert [photo.name for photo in found.photos] == [Path("a.jpg")]
    assert found.passed_over == ["b.jpg is a link to a.jpg, which is sent: passed over"]


def test_a_link_to_a_folder_above_does_not_lead_in_circles(tmp_path):
    files(tmp_path, "sub/a.jpg")
    (tmp_path / "sub/up").symlink_to(tmp_path)
    assert names(tmp_path) == ["sub/a.jpg"]
    assert find_photos([tmp_path]).passed_over == ["sub/up is a link to a folder: passed over"]


def test_a_folder_that_can_not_be_read_fails_alone(tmp_path):
    files(tmp_path, "a.jpg", "z/b.jpg")
    unreadable = too_deep(tmp_path / "m")
    found = find_photos([tmp_path])
    assert [str(photo.name) for photo in found.photos] == ["a.jpg", "z/b.jpg"]
    (failure,) = found.failures
    assert failure.why == "can't be read: File name too long"
    assert len(str(failure.name)) < len(str(unreadable))


def test_a_file_that_went_away_fails_alone(tmp_path):
    found = find_photos([tmp_path / "gone.jpg"])
    assert found.failures == [Failure(Path("gone.jpg"), "can't be read: No such file or directory")]


def test_other_files_are_counted_by_their_endings(tmp_path):
    files(tmp_path, "a.jpg", "b.tif", "sub/c.TIF", "notes.txt", ".hidden")
    assert find_photos([tmp_path]).passed_over == ["3 other files passed over (2 .tif, 1 .txt)"]


def test_a_file_without_an_ending_is_counted_too(tmp_path):
    files(tmp_path, "scan")
    assert find_photos([tmp_path]).passed_over == ["1 other file passed over (1 without an ending)"]


def test_the_folder_of_results_is_not_sent(tmp_path):
    files(tmp_path, "a.jpg", "tagged/a.jpg")
    assert names(tmp_path, leave_out=tmp_path / "sub/../tagged") == ["a.jpg"]


def test_a_link_to_nothing_and_a_pipe_are_no_photos(tmp_path):
    (tmp_path / "gone.jpg").symlink_to("absent")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = find_photos([tmp_path])
    assert found.photos == []
    assert found.passed_over == [
        "gone.jpg is a link that leads nowhere: passed over",
        "1 other file passed over (1 .jpg)",
    ]


# --- copies


async def save(folder: Path, name: str, content: bytes, served: str = "") -> Path:
    async def write(place: Path) -> str:
        place.write_bytes(content)
        return served or name

    return await OutputFolder(folder).save(Path(name), write)


async def test_a_copy_keeps_its_sub_folder(tmp_path):
    assert (await save(tmp_path / "out", "sub/a.jpg", b"new")).read_bytes() == b"new"
    assert (tmp_path / "out/sub/a.jpg").exists()


async def test_a_copy_never_overwrites_what_lies_there(tmp_path):
    files(tmp_path, "a.jpg")
    places = [await save(tmp_path, "a.jpg", b"new") for _ in range(2)]
    assert [place.name for place in places] == ["a-2.jpg", "a-3.jpg"]
    assert (tmp_path / "a.jpg").read_bytes() == b"a.jpg"


@pytest.mark.parametrize(
    ("name", "served", "saved"),
    [
        ("x.jpg", "x.png", "x.png"),
        ("IMG.JPG", "IMG.jpg", "IMG.JPG"),
        ("a.jpeg", "a.jpeg", "a.jpeg"),
        ("scan", "scan.jpg", "scan.jpg"),
        ("scan.v2", "scan.v2.png", "scan.v2.png"),
        ("a.png", "a.exe", "a.png"),
        ("a.png", "../../b", "a.png"),
    ],
)
async def test_a_copy_ends_as_its_content_does(tmp_path, name, served, saved):
    assert await save(tmp_path, f"sub/{name}", b"new", served) == tmp_path / "sub" / saved


def test_a_folder_of_copies_is_made_before_it_is_needed(tmp_path):
    OutputFolder(tmp_path / "new/out").prepare()
    assert list((tmp_path / "new/out").iterdir()) == []


def test_a_folder_of_copies_that_can_not_be_made_is_told(tmp_path):
    files(tmp_path, "a.jpg")
    with pytest.raises(NotADirectoryError):
        OutputFolder(tmp_path / "a.jpg/out").prepare()


async def test_a_copy_that_fails_leaves_its_name_free(tmp_path):
    async def write(_: Path) -> str:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await OutputFolder(tmp_path).save(Path("a.jpg"), write)
    assert list(tmp_path.iterdir()) == []
