"""What may be given as the images of a batch, and what is told where it is something else."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.client import GatewayClient
from gateway.client.sources import sources_of

IMAGES = [Path("a.jpg"), ("b.png", b"bytes"), "https://c.example/d.jpg", " HTTP://e.example/f.jpg"]

ONE_IMAGE = {
    "a name": "photo1.jpg",
    "a URL": "https://a.example/b.jpg",
    "a file": Path("photo1.jpg"),
    "bytes": b"bytes",
    "a name with its bytes": ("a.jpg", b"bytes"),
}
NO_URLS = ["photo1.jpg", "/photos/http://a.jpg", "ftp://a.example/b.jpg", "//a.example/b.jpg", ""]
NO_IMAGES = [
    b"bytes",
    None,
    7,
    {"url": "https://a.example/b.jpg"},
    ("a.jpg",),
    ("a.jpg", "text"),
    (Path("a"), b"b"),
]


@pytest.mark.parametrize("given", [list, tuple, iter], ids=["list", "tuple", "iterator"])
def test_files_names_with_bytes_and_urls_are_taken_in_their_order(given):
    images: Iterable[object] = given(IMAGES)
    assert sources_of(images) == tuple(IMAGES)


@pytest.mark.parametrize("image", ONE_IMAGE.values(), ids=ONE_IMAGE)
def test_one_image_is_no_list(image):
    with pytest.raises(TypeError) as caught:
        sources_of(image)
    assert str(caught.value) == 'images: a list is expected, be it of one image: [Path("photo.jpg")]'


@pytest.mark.parametrize("given", [None, 7])
def test_what_is_no_list_at_all_is_told_in_the_same_words(given):
    with pytest.raises(TypeError, match=r"^images: a list is expected"):
        sources_of(given)


@pytest.mark.parametrize("text", NO_URLS)
def test_a_text_that_is_no_url_is_told_with_its_place(text):
    with pytest.raises(ValueError) as caught:
        sources_of([Path("a.jpg"), text])
    assert str(caught.value) == "images[1]: a text is a URL, http://... or https://...; a file is a Path"


def test_who_refuses_a_text_does_not_repeat_it():
    with pytest.raises(ValueError) as caught:
        sources_of(["ftp://me:secret@a.example/b.jpg"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("image", NO_IMAGES, ids=repr)
def test_what_is_no_image_is_told_with_its_place_and_its_type(image):
    with pytest.raises(TypeError) as caught:
        sources_of([Path("a.jpg"), image])
    kind = type(image).__name__
    assert (
        str(caught.value) == f"images[1]: none of a Path, a pair of name and bytes, a URL, but of type {kind}"
    )


@pytest.mark.parametrize("images", ["photo1.jpg", ["photo1.jpg"], Path("photo1.jpg"), [None]], ids=repr)
async def test_it_is_refused_before_anything_is_sent(images, tmp_path):
    """Where nobody answers, whoever sends is told so."""
    async with GatewayClient(f"unix://{tmp_path}/nobody", patience_s=0) as client:
        with pytest.raises((TypeError, ValueError), match=r"^images"):
            await client.submit(images)
