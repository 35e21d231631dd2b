import weakref
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput
from gateway.intake.batch import BatchOutline, ImageOutline, SentImage
from gateway.intake.multipart.batch import multipart_batch
from gateway.metadata import FieldPolicy, MetadataPolicy
from tests.cuts import arriving
from tests.garbage import collector_at_rest

BORDER = "XborderX"
MAX_IMAGES = 10


def part(headers: str, content: bytes, charset: str = "utf-8") -> bytes:
    head = f"--{BORDER}\r\nContent-Disposition: form-data; {headers}\r\n\r\n"
    return head.encode(charset) + content + b"\r\n"


def an_image_part(content: bytes, filename: str = "a.jpg", field: str = "images") -> bytes:
    return part(f'name="{field}"; filename="{filename}"', content)


END = f"--{BORDER}--\r\n".encode()


async def in_pieces(body: bytes, cuts: Sequence[int]):
    start = 0
    for cut in sorted(min(cut, len(body)) for cut in cuts):
        if cut > start:
            yield body[start:cut]
            start = cut
    if start < len(body):
        yield body[start:]


async def read(body: bytes, *, cuts: Sequence[int] = ()) -> list[tuple[str | None, bytes]]:
    """The images by their names."""
    contents, outline = {}, BatchOutline(())
    async for member in multipart_batch(in_pieces(body, cuts), BORDER, MAX_IMAGES):
        if isinstance(member, SentImage):
            contents[member.index] = b"".join([piece async for piece in member.body])
        else:
            outline = member
    return [(image.name, contents[index]) for index, image in enumerate(outline.images)]


async def test_parts_with_a_file_name_are_images_in_order_whatever_their_field_is_called():
    body = an_image_part(b"one", "a.jpg") + an_image_part(b"two", "b.png", field="photo") + END
    assert await read(body) == [("a.jpg", b"one"), ("b.png", b"two")]


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.lists(st.integers(0, 2000), max_size=12),
)
async def test_any_cutting_gives_the_same_images(contents, cuts):
    body = b"".join(an_image_part(content, f"{n}.jpg") for n, content in enumerate(contents)) + END
    if any(b"--" + BORDER.encode() in content for content in contents):
        return
    assert await read(body, cuts=cuts) == [(f"{n}.jpg", content) for n, content in enumerate(contents)]


CUT_ANYWHERE: Final[Sequence[Sequence[int]]] = ((), range(1, 400), *((at,) for at in range(1, 130)))
"""Whole, in single bytes, and in two at each place of a head."""


async def test_what_stands_before_the_first_part_is_passed_over_wherever_it_is_cut():
    """The parser itself takes `--border` in the middle of a line for a part where it stands first in a piece."""
    preamble = f"A form follows. x--{BORDER}\r\nContent-Disposition: form-data; name=x\r\n\r\n".encode()
    body = preamble + an_image_part(b"one") + END
    assert [await read(body, cuts=cuts) for cuts in CUT_ANYWHERE] == [[("a.jpg", b"one")]] * len(CUT_ANYWHERE)


async def test_a_line_feed_in_a_line_of_a_head_is_refused_wherever_it_is_cut():
    body = part('name="images"; filename="a.jpg"\r\r\n\nContent-Type: image/jpeg', b"one") + END
    for cuts in CUT_ANYWHERE:
        with pytest.raises(BadInput, match="not as RFC 7578"):
            await read(body, cuts=cuts)


async def test_the_first_of_several_faults_is_told_wherever_the_body_is_cut():
    body = part('name="unknown"', b"x") + part("\r\nno header", b"")
    for cuts in CUT_ANYWHERE:
        with pytest.raises(BadInput, match="Unknown field"):
            await read(body, cuts=cuts)


async def test_a_body_that_is_left_unread_is_passed_over():
    body = an_image_part(b"x" * 5000, "a.jpg") + an_image_part(b"two", "b.jpg") + END
    *_, outline = [
        member async for member in multipart_batch(in_pieces(body, range(0, 6000, 500)), BORDER, MAX_IMAGES)
    ]
    assert outline == BatchOutline((ImageOutline("a.jpg"), ImageOutline("b.jpg")))


OPTIONS = part('name="options"', b'{"metadata": {"keywords": "replace"}}')


@pytest.mark.parametrize(
    "body",
    [
        OPTIONS + an_image_part(b"one") + an_image_part(b"two") + END,
        an_image_part(b"one") + OPTIONS + an_image_part(b"two") + END,
        an_image_part(b"one") + an_image_part(b"two") + OPTIONS + END,
    ],
    ids=["before", "between", "behind"],
)
async def test_a_part_called_options_may_stand_anywhere(body):
    *images, outline = [member async for member in multipart_batch(in_pieces(body, ()), BORDER, MAX_IMAGES)]
    assert [image.index for image in images if isinstance(image, SentImage)] == [0, 1]
    assert isinstance(outline, BatchOutline)
    assert outline.options == BatchOptions(MetadataPolicy(keywords=FieldPolicy.REPLACE))


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_options_that_say_that_they_are_json_may_have_a_file_name_as_pages_give_it(media_type):
    head = f'name="options"; filename="blob"\r\nContent-Type: {media_type}'
    body = an_image_part(b"one") + part(head, b'{"metadata": {"keywords": "replace"}}') + END
    *images, outline = [member async for member in multipart_batch(in_pieces(body, ()), BORDER, MAX_IMAGES)]
    assert len(images) == 1
    assert isinstance(outline, BatchOutline)
    assert outline.options == BatchOptions(MetadataPolicy(keywords=FieldPolicy.REPLACE))


@pytest.mark.parametrize(("field", "media_type"), [("options", "image/jpeg"), ("images", "application/json")])
async def test_any_other_file_is_an_image_whatever_is_said_of_it(field, media_type):
    body = part(f'name="{field}"; filename="a.jpg"\r\nContent-Type: {media_type}', b"one") + END
    assert await read(body) == [("a.jpg", b"one")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (OPTIONS + an_image_part(b"one") + OPTIONS + END, "The request has options twice."),
        (OPTIONS + END, "The batch has no images."),
        (an_image_part(b"one") * (MAX_IMAGES + 1) + END, f"A batch has at most {MAX_IMAGES} images."),
    ],
)
async def test_a_body_that_is_no_batch_is_refused(body, text):
    with pytest.raises(BadInput) as caught:
        await read(body)
    assert caught.value.text == text


def named(*names: str) -> bytes:
    return b"".join(part('name="name"', name.encode()) for name in names)


ONE, TWO = an_image_part(b"one", "1.jpg"), an_image_part(b"two", "2.jpg")


@pytest.mark.parametrize(
    "body",
    [
        named("Ada") + ONE + named("Bob") + TWO,
        named("Ada", "Bob") + ONE + TWO,
        ONE + named("Ada") + TWO + named("Bob"),
        ONE + TWO + named("Ada", "Bob"),
        OPTIONS + named("Ada") + ONE + TWO + named("Bob"),
    ],
    ids=["each before", "all before", "each behind", "all behind", "around"],
)
async def test_parts_called_name_name_the_images_in_their_order_wherever_they_stand(body):
    assert await read(body + END) == [("Ada", b"one"), ("Bob", b"two")]


async def test_an_empty_name_leaves_the_image_that_of_its_file():
    assert await read(named("", "Größe") + ONE + TWO + END) == [("1.jpg", b"one"), ("Größe", b"two")]


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        (named("Ada") + ONE + TWO, "this one has 1 for 2 images"),
        (ONE + named("Ada", "Bob"), "has 2 for 1 image."),
    ],
    ids=["too few", "too many"],
)
async def test_which_image_a_name_is_meant_for_is_never_guessed(body, counts):
    with pytest.raises(BadInput, match=f"as many parts called name as images, or none; .*{counts}") as caught:
        await read(body + END)
    assert caught.value.code == "bad_multipart"


async def test_names_past_the_most_that_there_can_be_are_refused_at_once():
    with pytest.raises(BadInput, match=f"more than {MAX_IMAGES} parts called name"):
        await read(named(*["x"] * (MAX_IMAGES + 1)))


async def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(BadInput, match=r"^The part name may have 4096 bytes\.$"):
        await read(named("x" * 4097) + ONE + END)


@pytest.mark.parametrize("field", ["name", "options", "other"])
async def test_no_more_of_a_text_is_read_than_it_may_have(field):
    head = f'--{BORDER}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'.encode()
    body = arriving([head, *[b" " * 50_000] * 20])
    with pytest.raises(BadInput):
        await anext(multipart_batch(body, BORDER, MAX_IMAGES))
    assert len([piece async for piece in body]) >= 18


async def test_an_image_in_a_field_called_name_is_an_image():
    assert await read(an_image_part(b"one", "a.jpg", field="name") + END) == [("a.jpg", b"one")]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x-gzip"])
async def test_a_part_that_is_encoded_is_refused_as_a_whole_body(encoding):
    body = part(f'name="a"; filename="a.jpg"\r\nContent-Transfer-Encoding: {encoding}', b"b25l") + END
    with pytest.raises(BadInput, match="must be sent as they are"):
        await read(body)


@pytest.mark.parametrize("encoding", ["binary", "8bit", "7BIT"])
async def test_a_part_that_says_that_it_is_not_encoded_is_taken(encoding):
    body = part(f'name="a"; filename="a.jpg"\r\nContent-Transfer-Encoding: {encoding}', b"one") + END
    assert await read(body) == [("a.jpg", b"one")]


async def test_a_form_within_a_part_is_the_content_of_that_part():
    inner = b"--inner\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nx\r\n--inner--"
    body = part('name="a"; filename="f"\r\nContent-Type: multipart/mixed; boundary=inner', inner) + END
    assert await read(body) == [("f", inner)]


MORE = b"x" * 1000


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (MORE * 100 + b"\r\n" + ONE + END, "The multipart body does not begin with its boundary."),
        (ONE + END + MORE * 100, "The multipart body goes on behind its last boundary."),
    ],
    ids=["before", "behind"],
)
async def test_far_more_than_nothing_around_the_parts_is_refused(body, text):
    with pytest.raises(BadInput) as caught:
        await read(body, cuts=range(0, len(body), 500))
    assert (caught.value.text, caught.value.code) == (text, "bad_multipart")


async def test_a_little_around_the_parts_is_passed_over():
    body = MORE + b"\r\n" + ONE + END + MORE
    assert await read(body, cuts=range(0, len(body), 500)) == [("1.jpg", b"one")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (part('name="options"', b"{") + END, "not_json"),
        (part('name="options"', b'{"x": 1}') + END, "unknown_field"),
        (part('name="options"', b'{"metadata": {"title": "shout"}}') + END, "bad_option"),
        (part('name="options"', b"\xff") + END, "not_json"),
        (part('name="options"', b" " * 100_000) + END, "part_too_large"),
        (part('name="title"', b"hello") + END, "unknown_field"),
        (part('name="images"; filename=""', b"hello") + END, "missing"),
        (an_image_part(b"one"), "bad_multipart"),
        (an_image_part(b"one")[:-2], "bad_multipart"),
        (b"no multipart at all", "bad_multipart"),
        (b"", "bad_multipart"),
    ],
)
async def test_a_wrong_part_or_a_broken_body_is_refused(body, code):
    with pytest.raises(BadInput) as caught:
        await read(body)
    assert caught.value.code == code


@pytest.mark.parametrize("file", [b"photo1.jpg", b"My photos/a b.JPEG", "größer.png".encode()])
async def test_the_name_of_a_photo_in_place_of_its_bytes_gets_a_hint(file):
    with pytest.raises(BadInput) as caught:
        await read(part('name="images"', file) + END)
    assert caught.value.text.endswith(f"; did you mean images=@{file.decode()}?")


@pytest.mark.parametrize("content", [b"hello", b"x" * 100_000 + b".jpg", b"two\nlines.jpg"])
async def test_any_other_text_gets_no_hint(content):
    with pytest.raises(BadInput, match=r"a part has a file name, or is called name or options\.$"):
        await read(part('name="title"', content) + END)


async def test_a_file_without_a_name_is_told_so():
    with pytest.raises(BadInput, match="The part 'images' has content, but its file name is empty"):
        await read(part('name="images"; filename=""', b"hello") + END)


async def test_a_file_field_that_was_left_empty_in_a_form_is_passed_over():
    assert await read(part('name="images"; filename=""', b"") + an_image_part(b"one") + END) == [
        ("a.jpg", b"one")
    ]


async def test_without_a_boundary_the_body_is_refused():
    with pytest.raises(BadInput, match="boundary"):
        await anext(multipart_batch(in_pieces(b"", ()), "", MAX_IMAGES))


@pytest.mark.parametrize("boundary", ["\udcff\udcfe", "größe", "a\nb"])
async def test_a_boundary_that_can_be_none_is_refused(boundary):
    with pytest.raises(BadInput, match=r"^The multipart boundary is broken\.") as caught:
        await anext(multipart_batch(in_pieces(b"--x", ()), boundary, MAX_IMAGES))
    assert caught.value.code == "bad_multipart"


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
async def test_names_are_read_as_utf_8_or_else_as_latin_1(charset):
    assert await read(part('name="images"; filename="größe.jpg"', b"one", charset) + END) == [
        ("größe.jpg", b"one")
    ]
    with pytest.raises(BadInput, match="Unknown field 'größe'"):
        await read(part('name="größe"', b"one", charset) + END)


@pytest.mark.parametrize(
    "headers",
    [
        "name=images; filename*=UTF-8''%e2%82%ac.jpg",
        "name=\"images\"; filename*=utf-8'en'%E2%82%AC.jpg",
        "filename*=utf-8''%E2%82%AC.jpg; name=images",
        'name="images"; filename="EUR.jpg"; filename*=UTF-8\'\'%e2%82%ac.jpg',
        'name="a; filename*=utf-8\'\'b.jpg"; filename="€.jpg"',
    ],
)
async def test_an_extended_file_name_makes_a_part_an_image_and_goes_before_the_plain_one(headers):
    assert await read(part(headers, b"one") + END) == [("€.jpg", b"one")]


async def test_an_extended_file_name_may_be_latin_1():
    assert await read(part("name=a; filename*=ISO-8859-1''gr%F6%DFe.jpg", b"one") + END) == [
        ("größe.jpg", b"one")
    ]


async def test_very_many_parts_that_are_no_images_are_refused():
    other = part('name="images"; filename=""', b"")
    assert len(await read(other * 8 + an_image_part(b"one") + END)) == 1
    with pytest.raises(BadInput, match="more than 8 parts that are no images"):
        await read(other * 9 + an_image_part(b"one") + END)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (an_image_part(b"one"), "The multipart body ends before its last boundary."),
        (
            part("\r\nx: " + "x" * 9000, b""),
            "A part of the multipart body has too many headers, or one that is too long.",
        ),
        (
            part("\r\nContent-Length: -1", b""),
            "The multipart body is broken: its parts, or their headers, are not as RFC 7578 has them.",
        ),
    ],
)
async def test_a_broken_body_is_told_in_our_words_and_in_the_parsers_for_the_log(body, text):
    with pytest.raises(BadInput) as caught:
        await read(body)
    assert caught.value.text == text
    assert caught.value.detail


class _Body:
    """Of one piece. Unlike a generator it goes, half read, as soon as nothing refers to it."""

    def __init__(self, piece: bytes) -> None:
        self._pieces = iter([piece])

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


async def test_a_broken_body_is_gone_without_the_collector_of_garbage():
    """With it its last piece would wait for a collection."""
    with collector_at_rest():
        body = _Body(f"--{BORDER}\r\nno header\r\n\r\n".encode())
        gone = weakref.ref(body)
        try:
            await anext(multipart_batch(body, BORDER, MAX_IMAGES))
        except BadInput as error:
            refusal = weakref.ref(error)
        del body
        assert (refusal(), gone()) == (None, None)
