"""Words in any script: what was written is what exiftool reads, in all three standards, and what we read ourselves."""

import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.images.embedded.metadata import read_metadata
from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.processor.tags import write_tags
from gateway.processor.words.texts import fit_to_write
from tests.pictures import plain, tags_of

SCRIPTS = {
    "Japanese": Metadata("東京タワー", "夕焼けの東京タワー。\n二行目", ("猫", "東京　夜景", "ネコ")),
    "Arabic": Metadata("قطة نائمة", "قطة تنام على الأريكة، ٢٠٢٤", ("قطة", "أريكة")),
    "Hebrew and Latin": Metadata("חתול (cat) ישן", "“חתול” – cat", ("חתול cat",)),
    "Hindi": Metadata("बिल्ली", "सोती हुई बिल्ली", ("की", "बिल्ली")),
    "emoji": Metadata("Family 👩‍👩‍👧‍👦", "👍🏽 🇯🇵 🏴󠁧󠁢󠁳󠁣󠁴󠁿 ✈️", ("👩‍🚀", "❤️", "🐈‍⬛")),
    "combining marks": Metadata(
        "Zoe\u0308 a\u0323\u0302", "n\u0303 o\u0302\u0323", ("Cafe\u0301", "x\u0304")
    ),
    "quotes and markup": Metadata("<b>\"a\" & 'b'</b>", "a, b; c = ]]> &amp;", ("a, b", "c; d", "<li>")),
}
KINDS = ("JPEG", "PNG")
IPTC_AND_XMP = ("IPTC:Headline", "XMP-dc:Title"), ("IPTC:Caption-Abstract", "XMP-dc:Description")
POLICIES = [MetadataPolicy(policy, policy, policy) for policy in (None, *FieldPolicy)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", SCRIPTS.values(), ids=SCRIPTS.keys())
class TestEachScript:
    def test_the_title_is_read_as_it_was_written(self, kind: str, words: Metadata) -> None:
        tagged = write_tags(plain(kind), words)
        assert [tags_of(tagged)[name] for name in IPTC_AND_XMP[0]] == [words.title] * 2
        assert windows_title(tagged) == words.title

    def test_so_is_the_description(self, kind: str, words: Metadata) -> None:
        tags = tags_of(write_tags(plain(kind), words))
        names = (*IPTC_AND_XMP[1], "IFD0:ImageDescription")
        assert [tags[name] for name in names] == [words.description] * 3

    def test_so_are_the_keywords(self, kind: str, words: Metadata) -> None:
        tags = tags_of(write_tags(plain(kind), words))
        assert [as_tuple(tags[name]) for name in ("IPTC:Keywords", "XMP-dc:Subject")] == [words.keywords] * 2

    def test_they_are_added_to_others(self, kind: str, words: Metadata) -> None:
        before = Metadata("Prvý – název", "Čeština", ("žlutý kůň",))
        append = MetadataPolicy(*[FieldPolicy.APPEND] * 3)
        tags = tags_of(write_tags(write_tags(plain(kind), before), words, append))
        assert tags["XMP-dc:Title"] == tags["IPTC:Headline"] == f"{before.title} – {words.title}"
        assert tags["IFD0:ImageDescription"] == f"{before.description}\n{words.description}"
        assert as_tuple(tags["IPTC:Keywords"]) == before.keywords + words.keywords


def test_iptc_is_never_cut_within_what_is_seen_as_one_character() -> None:
    words = Metadata(
        "a" * 250 + SCRIPTS["emoji"].title[-7:], keywords=("x" * 62 + "e\u0301\u0302", "y" * 63 + "e\u0301")
    )
    tags = tags_of(write_tags(plain("JPEG"), words))
    assert tags["IPTC:Headline"] == "a" * 250
    assert tags["IPTC:Keywords"] == ["x" * 62, "y" * 63]
    assert tags["XMP-dc:Subject"] == list(words.keywords)


TEXT = st.text(min_size=1, max_size=240) | st.text(
    "a \n,;:\"'&<>=\u0301\u200d👩é北\ufeff\u00a0\u2028", max_size=240
)
WORDS = st.builds(
    Metadata,
    TEXT,
    TEXT,
    st.lists(TEXT, max_size=4).map(tuple),
    st.sampled_from(["", "local/efficientnet-lite0", "vision/openai/gpt-4o-mini-2024-07-18"]),
)


@given(st.sampled_from(KINDS), WORDS, WORDS, st.sampled_from(POLICIES))
@settings(max_examples=80, deadline=None)
def test_tagged_twice_is_as_tagged_once(
    kind: str, before: Metadata, words: Metadata, policy: MetadataPolicy
) -> None:
    once = write_tags(write_tags(plain(kind), before), words, policy)
    assert write_tags(once, words, policy) == once


@given(st.sampled_from(KINDS), WORDS)
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read(kind: str, words: Metadata) -> None:
    fit = fit_to_write(words)
    read = read_metadata(write_tags(plain(kind), words)) or Metadata()
    assert (read.title, read.description) == (fit.title, fit.description)


@given(st.sampled_from(KINDS), WORDS, WORDS)
@settings(max_examples=60, deadline=None)
def test_what_an_analyzer_wrote_is_known_as_its_own_whatever_the_text(
    kind: str, first: Metadata, second: Metadata
) -> None:
    """It reads the same in all standards, cut where it has to be: the next analyzer's words take its place."""
    first, second = fit_to_write(first), fit_to_write(second)
    assume(first.title and first.description and second.title and second.description)
    read = read_metadata(write_tags(write_tags(plain(kind), first), second)) or Metadata()
    assert (read.title, read.description) == (second.title, second.description)


def windows_title(image: bytes) -> str:
    """XPTitle. Exiftool gives what is outside the Basic Multilingual Plane as the two halves of UTF-16."""
    command = ["exiftool", "-b", "-XPTitle", "-"]
    read = subprocess.run(command, input=image, capture_output=True, check=True).stdout
    halves = read.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    return halves.decode("utf-16-le")


def as_tuple(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
