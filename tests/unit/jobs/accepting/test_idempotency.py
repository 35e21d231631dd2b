"""What makes two requests the same, whatever way they came."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.domain.options import BatchOptions
from gateway.errors import ContentError
from gateway.intake.batch import BatchOutline, ImageOutline
from gateway.jobs.accepting.draft import Draft
from gateway.jobs.accepting.idempotency import Asked
from gateway.jobs.originals import Content
from gateway.metadata import FieldPolicy, MetadataPolicy

KEEP = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))


async def pieces(*chunks: bytes, broken: bool = False) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if broken:
        raise ContentError("broken base64", code="bad_base64")


def a_draft(
    *images: tuple[str | None, str], strict: bool = False, options: BatchOptions | None = None
) -> Draft:
    """Of images by their names and what identifies them: a URL, or a SHA-256."""
    draft = Draft(strict, may_be_repeated=True)
    outlines = []
    for index, (name, identity) in enumerate(images):
        is_linked = identity.startswith("http")
        outlines.append(ImageOutline(name, identity if is_linked else None))
        if not is_linked:
            draft.identities[index] = identity
    draft.outline = BatchOutline(tuple(outlines), options)
    return draft


def of(draft: Draft) -> str:
    return draft.asked.fingerprint


A, B = ("a.jpg", "aa" * 32), ("b.jpg", "bb" * 32)
URL = "https://example.com/a.jpg"


def test_the_same_images_and_options_are_the_same_request() -> None:
    assert of(a_draft(A, B, options=KEEP)) == of(a_draft(A, B, options=KEEP))


def test_options_that_say_nothing_are_as_good_as_none() -> None:
    assert of(a_draft(A, options=BatchOptions())) == of(a_draft(A))


@pytest.mark.parametrize(
    "other",
    [
        lambda: a_draft(B, A),
        lambda: a_draft(A),
        lambda: a_draft(A, A),
        lambda: a_draft(A, B, B),
        lambda: a_draft(A, ("c.jpg", B[1])),
        lambda: a_draft(A, (None, B[1])),
        lambda: a_draft(A, ("b.jpg", "cc" * 32)),
        lambda: a_draft(A, ("b.jpg", URL)),
        lambda: a_draft(A, B, options=KEEP),
        lambda: a_draft(A, B, strict=True),
    ],
    ids=["order", "fewer", "twice", "more", "name", "no name", "content", "URL", "options", "strict"],
)
def test_anything_else_is_another_request(other: Callable[[], Draft]) -> None:
    assert of(a_draft(A, B)) != of(other())


def test_another_kind_of_request_is_another_one_whatever_it_brings() -> None:
    assert Asked("batch", {"a": 1}).fingerprint != Asked("retry", {"a": 1}).fingerprint


def test_the_order_in_which_values_are_named_is_none_of_the_content() -> None:
    assert Asked("batch", {"a": 1, "b": [2]}).fingerprint == Asked("batch", {"b": [2], "a": 1}).fingerprint


def test_a_name_of_any_characters_has_a_fingerprint() -> None:
    names = ["größe.jpg", "gro\u0308ße.jpg", "\udcff.jpg", '"\\\n.jpg', ""]
    assert len({of(a_draft((name, "aa"))) for name in names}) == len(names)


class TestIdentityOfContent:
    async def test_it_is_the_same_however_it_is_cut(self) -> None:
        whole, cut = Content(pieces(b"abcdef")), Content(pieces(b"a", b"bcd", b"ef"))
        assert await whole.identity() == await cut.identity()

    async def test_what_was_read_of_it_before_makes_no_difference(self) -> None:
        some_read, whole = Content(pieces(b"abc", b"def")), Content(pieces(b"abcdef"))
        await anext(some_read)
        assert await some_read.identity() == await whole.identity()

    async def test_others_have_their_turn_between_its_pieces(self) -> None:
        """Also where all of them lie in memory already, as those of base64 do."""
        turns = 0

        async def another() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(another())
        await Content(pieces(*[b"abc"] * 100)).identity()
        other.cancel()
        assert turns >= 100

    async def test_content_that_breaks_off_is_not_the_same_as_what_came_of_it(self) -> None:
        broken, whole = Content(pieces(b"abc", broken=True)), Content(pieces(b"abc"))
        assert await broken.identity() != await whole.identity()

    async def test_content_that_breaks_off_likewise_is_the_same_wherever_that_was_noticed(self) -> None:
        noticed_before, noticed_now = (Content(pieces(b"abc", broken=True)) for _ in range(2))
        with pytest.raises(ContentError):
            [_ async for _ in noticed_before]
        assert await noticed_before.identity() == await noticed_now.identity()
