"""One image, three standards: which of its words count, and whether somebody has changed one of them since."""

import pytest

from gateway.metadata import Metadata
from gateway.processor.words.found import found
from gateway.processor.words.lengths import MAX_CAPTION_BYTES, MAX_HEADLINE_BYTES, MAX_KEYWORD_BYTES, cut

NONE = Metadata()
LONG = "A very long text, of which IPTC has no more than its beginning. " * 50


def test_xmp_counts_most_then_iptc_then_exif() -> None:
    exif, iptc, xmp = (Metadata(f"title of {name}", f"text of {name}") for name in ("EXIF", "IPTC", "XMP"))
    assert found(exif, iptc, xmp).words == xmp
    assert found(exif, iptc, NONE).words == iptc
    assert found(exif, NONE, NONE).words == exif


def test_each_field_is_looked_for_by_itself() -> None:
    words = found(Metadata("of EXIF"), Metadata(keywords=("of IPTC",)), Metadata(description="of XMP")).words
    assert words == Metadata("of EXIF", "of XMP", ("of IPTC",))


def test_a_text_of_which_iptc_has_the_beginning_is_read_whole() -> None:
    exif = Metadata(LONG.strip(), LONG.strip())
    iptc = Metadata(cut(LONG, MAX_HEADLINE_BYTES), cut(LONG, MAX_CAPTION_BYTES))
    there = found(exif, iptc, NONE)
    assert (there.words, there.title_agrees, there.description_agrees) == (exif, True, True)


@pytest.mark.parametrize("at", range(3), ids=["exif", "iptc", "xmp"])
def test_texts_that_differ_in_one_standard_do_not_agree(at: int) -> None:
    standards = [Metadata("title", "description")] * 3
    standards[at] = Metadata("another one", "description")
    assert found(*standards).title_agrees is False
    assert found(*standards).description_agrees is True
    standards[at] = Metadata("title", "another one")
    assert found(*standards).description_agrees is False


def test_texts_agree_that_stand_in_some_standards_alone() -> None:
    there = found(NONE, Metadata("title"), Metadata("title", "description"))
    assert (there.title_agrees, there.description_agrees) == (True, True)


def test_texts_agree_whose_accents_or_blanks_differ() -> None:
    assert found(Metadata("Cafe\u0301"), Metadata("Café "), Metadata("Café")).title_agrees


def test_question_marks_of_latin_1_are_no_text_of_their_own() -> None:
    there = found(
        NONE, Metadata("Zoë in ??", keywords=("??", "Tag")), Metadata("Zoë in 北京", keywords=("北京",))
    )
    assert there.title_agrees
    assert there.words == Metadata("Zoë in 北京", keywords=("北京", "Tag"))


def test_keywords_of_xmp_and_iptc_are_joined_in_that_order() -> None:
    iptc, xmp = Metadata(keywords=("b", "C", "c", "d")), Metadata(keywords=("a", "B"))
    assert found(NONE, iptc, xmp).words.keywords == ("a", "B", "C", "d")


def test_the_beginning_of_a_keyword_is_no_keyword_of_its_own() -> None:
    keyword = "Donau" * 20
    iptc = Metadata(keywords=(cut(keyword, MAX_KEYWORD_BYTES), "Donau"))
    assert found(NONE, iptc, Metadata(keywords=(keyword,))).words.keywords == (keyword, "Donau")


def test_what_a_camera_wrote_is_no_description_and_disagrees_with_none() -> None:
    exif = Metadata(description="OLYMPUS DIGITAL CAMERA   ")
    assert found(exif, exif, exif).words == NONE
    there = found(exif, NONE, Metadata(description="My dog"))
    assert (there.words.description, there.description_agrees) == ("My dog", True)


def test_what_a_person_gave_as_title_is_a_title() -> None:
    """Cameras write no titles."""
    assert found(NONE, NONE, Metadata("SAMSUNG")).words.title == "SAMSUNG"


def test_thousands_of_keywords_take_no_long_time() -> None:
    """Each is looked at once, however many there are in the other standard."""
    iptc, xmp = (Metadata(keywords=tuple(f"{name}{n}" for n in range(20_000))) for name in "ix")
    assert len(found(NONE, iptc, xmp).words.keywords) == 40_000
