"""Words that exiftool wrote, as the existing processor does: the gateway reads them, our processor's policies hold."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import sklearn
from attrs import evolve

from gateway.images.embedded.metadata import read_metadata
from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.processor.tags import write_tags
from tests.pictures import exiftool, tags_of, warnings_of

PHOTO_JPEG = Path(sklearn.__file__).parent / "datasets/images/china.jpg"
PHOTO_PNG = Path(mpl.get_data_path()) / "sample_data/logo2.png"
GOLDEN = json.loads((Path(__file__).parent.parent / "golden/processed_tags.json").read_text())
PLAIN = GOLDEN["plain"]
WORDS = Metadata(
    PLAIN["metadata"]["title"], PLAIN["metadata"]["description"], tuple(PLAIN["metadata"]["keywords"])
)


OLD = {
    "IFD0:XPTitle": "Minka im Garten",
    "IFD0:ImageDescription": "Unsere Minka, Köln 2019",
    "IPTC:Headline": "Minka im Garten",
    "IPTC:Caption-Abstract": "Unsere Minka, Köln 2019",
    "IPTC:Keywords": ["Minka", "Garten"],
    "XMP-dc:Title": "Minka im Garten",
    "XMP-dc:Description": "Unsere Minka, Köln 2019",
    "XMP-dc:Subject": ["Minka", "Garten"],
}
NEW = Metadata("Cat", "A cat in a garden.", ("cat", "garten"), "vision/openai/gpt-4o")
GROUPS = {
    "EXIF alone": ("IFD0",),
    "IPTC alone": ("IPTC",),
    "XMP alone": ("XMP",),
    "all": ("IFD0", "IPTC", "XMP"),
}
REPLACE, APPEND, KEEP, AUTO = (
    MetadataPolicy(policy, policy, policy)
    for policy in (FieldPolicy.REPLACE, FieldPolicy.APPEND, FieldPolicy.KEEP, None)
)


def written_by_exiftool(
    photo: Path, groups: tuple[str, ...], tags: Mapping[str, Any] = PLAIN["tags"]
) -> bytes:
    """A copy of `photo` with those of the tags that are of these groups."""
    arguments = tuple(
        f"-{tag}={value}"
        for tag, values in tags.items()
        if tag.startswith(groups)
        for value in (values if isinstance(values, list) else [values])
    )
    return changed_by_exiftool(photo.read_bytes(), *arguments)


@cache
def changed_by_exiftool(image: bytes, *arguments: str) -> bytes:
    """`image` after somebody has worked on it with exiftool."""
    return exiftool("-charset", "utf8", *arguments, image=image)


@pytest.mark.parametrize("photo", [PHOTO_JPEG, PHOTO_PNG], ids=["jpeg", "png"])
def test_the_words_of_a_processed_image_are_those_that_were_given(photo: Path) -> None:
    assert read_metadata(written_by_exiftool(photo, ("IFD0", "IPTC", "XMP"))) == WORDS


def test_its_iptc_alone_has_lost_what_is_not_latin_1() -> None:
    head = written_by_exiftool(PHOTO_JPEG, ("IPTC",))

    assert read_metadata(head) == Metadata(
        WORDS.title, PLAIN["tags"]["IPTC:Caption-Abstract"], WORDS.keywords
    )


@pytest.mark.parametrize("photo", [PHOTO_JPEG, PHOTO_PNG], ids=["jpeg", "png"])
def test_its_exif_alone_has_title_and_description(photo: Path) -> None:
    head = written_by_exiftool(photo, ("IFD0",))

    assert read_metadata(head) == Metadata(WORDS.title, WORDS.description)


@pytest.fixture(params=[PHOTO_JPEG, PHOTO_PNG], ids=["jpeg", "png"])
def photo(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS.keys())
class TestPolicies:
    @pytest.fixture
    def image(self, photo: Path, groups: tuple[str, ...]) -> bytes:
        return written_by_exiftool(photo, groups, OLD)

    def test_replaced_words_are_the_new_ones_everywhere(self, image: bytes, groups: tuple[str, ...]) -> None:
        assert words_in(write_tags(image, NEW, REPLACE)) == everywhere(NEW)
        assert writers_in(write_tags(image, NEW, REPLACE)) == [NEW.writer] * 2

    def test_added_words_stand_behind_the_old_ones_everywhere(
        self, image: bytes, groups: tuple[str, ...]
    ) -> None:
        old_keywords = () if groups == ("IFD0",) else ("Minka", "Garten")
        joined = Metadata(
            "Minka im Garten – Cat",
            "Unsere Minka, Köln 2019\nA cat in a garden.",
            (*old_keywords, "cat") if old_keywords else NEW.keywords,
        )
        assert words_in(write_tags(image, NEW, APPEND)) == everywhere(joined)
        assert writers_in(write_tags(image, NEW, APPEND)) == []

    def test_words_that_are_kept_are_not_touched(self, image: bytes, groups: tuple[str, ...]) -> None:
        kept = {tag: value for tag, value in OLD.items() if tag.startswith(groups)}
        keywords = {"IPTC:Keywords": list(NEW.keywords), "XMP-dc:Subject": list(NEW.keywords)}
        expected = kept | keywords if groups == ("IFD0",) else kept
        assert words_in(write_tags(image, NEW, KEEP)) == expected

    def test_by_default_a_persons_title_and_description_are_kept_and_keywords_added(
        self, image: bytes, groups: tuple[str, ...]
    ) -> None:
        joined = list(NEW.keywords) if groups == ("IFD0",) else ["Minka", "Garten", "cat"]
        kept = {tag: value for tag, value in OLD.items() if tag.startswith(groups)}
        tagged = write_tags(image, NEW, AUTO)
        assert words_in(tagged) == kept | {"IPTC:Keywords": joined, "XMP-dc:Subject": joined}
        assert writers_in(tagged) == []

    @pytest.mark.parametrize(
        "policy", [REPLACE, APPEND, KEEP, AUTO], ids=["replace", "append", "keep", "auto"]
    )
    def test_tagged_twice_is_as_tagged_once(
        self, image: bytes, groups: tuple[str, ...], policy: MetadataPolicy
    ) -> None:
        once = write_tags(image, NEW, policy)
        assert write_tags(once, NEW, policy) == once
        assert set(warnings_of(once)) <= set(warnings_of(image))


def test_an_image_that_says_it_all_is_left_as_it_is(photo: Path) -> None:
    """As its last program wrote it: nothing is put into another order or form."""
    by_whom = {"IPTC:Writer-Editor": NEW.writer, "XMP-photoshop:CaptionWriter": NEW.writer}
    image = written_by_exiftool(photo, GROUPS["all"], OLD | by_whom)
    words = Metadata("Minka im Garten", "Unsere Minka, Köln 2019", ("Garten", "minka"), NEW.writer)
    for policy in (APPEND, KEEP, AUTO):
        assert write_tags(image, words, policy) == image
    assert write_tags(image, evolve(words, keywords=("Minka", "Garten")), REPLACE) == image


class TestWordsOfAnAnalyzer:
    FIRST = Metadata("Animal", "An animal, green.", ("animal",), "local/efficientnet-lite0")

    def test_they_are_replaced_by_default(self, photo: Path) -> None:
        tagged = write_tags(write_tags(photo.read_bytes(), self.FIRST), NEW)
        assert words_in(tagged) == everywhere(Metadata(NEW.title, NEW.description, ("animal", *NEW.keywords)))
        assert writers_in(tagged) == [NEW.writer] * 2

    def test_a_persons_title_beside_them_never_is(self, photo: Path) -> None:
        image = written_by_exiftool(photo, ("XMP-dc:Title",), OLD)
        first = write_tags(image, self.FIRST)
        assert writers_in(first) == ["local/efficientnet-lite0 (desc.)"] * 2
        second = words_in(write_tags(first, NEW))
        assert second["XMP-dc:Title"] == OLD["XMP-dc:Title"]
        assert second["XMP-dc:Description"] == second["IPTC:Caption-Abstract"] == NEW.description

    @pytest.mark.parametrize("taken", ["-XMP:all=", "-IPTC:all="])
    def test_nor_when_one_standard_is_taken_away(self, photo: Path, taken: str) -> None:
        image = written_by_exiftool(photo, ("XMP-dc:Title", "IPTC:Headline"), OLD)
        first = changed_by_exiftool(write_tags(image, self.FIRST), taken)
        second = words_in(write_tags(first, NEW))
        titles = {second.get("XMP-dc:Title"), second.get("IPTC:Headline")}
        assert titles == {OLD["XMP-dc:Title"], None}
        assert second["XMP-dc:Description"] == NEW.description

    @pytest.mark.parametrize(
        ("tag", "field"),
        [
            ("XMP-dc:Title", "title"),
            ("IPTC:Headline", "title"),
            ("IFD0:XPTitle", "title"),
            ("XMP-dc:Description", "description"),
            ("IPTC:Caption-Abstract", "description"),
            ("IFD0:ImageDescription", "description"),
        ],
    )
    def test_what_a_person_changes_in_one_of_the_standards_is_kept(
        self, photo: Path, tag: str, field: str
    ) -> None:
        first = write_tags(photo.read_bytes(), self.FIRST)
        changed = changed_by_exiftool(first, f"-{tag}=Minka")
        assert words_in(write_tags(changed, NEW))[tag] == "Minka"

    @pytest.mark.parametrize(
        "change",
        ["-XMP-photoshop:CaptionWriter=Jane", "-IPTC:Writer-Editor=Jane", "-IPTC:Writer-Editor+=Jane"],
        ids=["in XMP", "in IPTC", "beside the analyzer"],
    )
    def test_a_writer_of_another_name_makes_them_a_persons(self, photo: Path, change: str) -> None:
        first = write_tags(photo.read_bytes(), self.FIRST)
        janes = changed_by_exiftool(first, change)
        assert words_in(write_tags(janes, NEW))["XMP-dc:Title"] == self.FIRST.title


class TestLanguages:
    """XMP has titles and descriptions by language."""

    def test_a_title_in_another_language_alone_is_a_title(self, photo: Path) -> None:
        image = changed_by_exiftool(photo.read_bytes(), "-XMP-dc:Title-de=Minka im Garten")
        tags = tags_of(write_tags(image, NEW))
        assert tags["XMP-dc:Title-de"] == "Minka im Garten"
        assert not {"XMP-dc:Title", "IPTC:Headline", "IFD0:XPTitle"} & tags.keys()

    def test_what_is_added_stands_in_the_default_language_and_the_others_stay(self, photo: Path) -> None:
        image = changed_by_exiftool(
            photo.read_bytes(), "-XMP-dc:Title=Minka", "-XMP-dc:Title-de=Minka im Garten"
        )
        tags = tags_of(write_tags(image, NEW, APPEND))
        assert tags["XMP-dc:Title"] == tags["IPTC:Headline"] == tags["IFD0:XPTitle"] == "Minka – Cat"
        assert tags["XMP-dc:Title-de"] == "Minka im Garten"


def test_keywords_that_stand_in_either_standard_come_into_both(photo: Path) -> None:
    tags = {"IPTC:Keywords": ["Katze", "GARTEN"], "XMP-dc:Subject": ["Minka", "Garten"]}
    image = written_by_exiftool(photo, ("IPTC", "XMP"), tags)
    expected = ["Minka", "Garten", "Katze", "cat"]
    assert words_in(write_tags(image, Metadata(keywords=NEW.keywords))) == {
        "IPTC:Keywords": expected,
        "XMP-dc:Subject": expected,
    }


def test_what_a_camera_wrote_is_filled_as_an_empty_field() -> None:
    image = written_by_exiftool(
        PHOTO_JPEG, ("IFD0",), {"IFD0:ImageDescription": "OLYMPUS DIGITAL CAMERA         "}
    )
    assert words_in(write_tags(image, NEW, KEEP)) == everywhere(NEW)


class TestFilesOfTheExistingProcessor:
    """They name no writer, so their words could be anybody's; their IPTC has question marks for what it can't hold."""

    @pytest.fixture
    def image(self) -> bytes:
        return written_by_exiftool(PHOTO_JPEG, ("IFD0", "IPTC", "XMP"))

    def test_title_and_description_are_kept_by_default(self, image: bytes) -> None:
        tags = words_in(write_tags(image, NEW))
        assert tags["XMP-dc:Title"] == WORDS.title
        assert tags["XMP-dc:Description"] == tags["IFD0:ImageDescription"] == WORDS.description
        assert tags["IPTC:Keywords"] == tags["XMP-dc:Subject"] == [*WORDS.keywords, *NEW.keywords]

    def test_what_is_added_stands_behind_the_whole_text(self, image: bytes) -> None:
        tags = words_in(write_tags(image, NEW, APPEND))
        assert tags["IPTC:Caption-Abstract"] == f"{WORDS.description}\n{NEW.description}"

    def test_a_keyword_of_question_marks_becomes_what_it_stands_for(self) -> None:
        tags = {"IPTC:Keywords": ["??", "Köln"], "XMP-dc:Subject": ["北京", "Köln"]}
        image = written_by_exiftool(PHOTO_JPEG, ("IPTC", "XMP"), tags)
        tags = words_in(write_tags(image, NEW))
        assert tags["IPTC:Keywords"] == tags["XMP-dc:Subject"] == ["北京", "Köln", *NEW.keywords]

    def test_the_same_words_again_stand_there_as_it_left_them(self, image: bytes) -> None:
        tags = words_in(write_tags(image, WORDS))
        assert tags == {tag: PLAIN["tags"][tag] for tag in tags}

    def test_what_it_replaced_and_kept_is_what_ours_does_when_asked_to(self) -> None:
        golden = GOLDEN["tagged_before"]
        image = written_by_exiftool(PHOTO_JPEG, ("IFD0", "IPTC", "XMP", "GPS"), golden["before"])
        policy = MetadataPolicy(FieldPolicy.REPLACE, FieldPolicy.REPLACE, FieldPolicy.APPEND)
        tags = tags_of(write_tags(image, WORDS, policy))
        expected = golden["tags"] | {"IPTC:Caption-Abstract": WORDS.description}
        assert {tag: tags[tag] for tag in expected} == expected


def words_in(image: bytes) -> dict[str, Any]:
    """As exiftool reads them, each keyword as text."""
    tags = {tag: value for tag, value in tags_of(image).items() if tag in OLD}
    return {tag: value if tag not in LISTS else as_list(value) for tag, value in tags.items()}


LISTS = ("IPTC:Keywords", "XMP-dc:Subject")


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def everywhere(words: Metadata) -> dict[str, Any]:
    """The tags when all three standards have all that they can."""
    keywords = list(words.keywords)
    fields = {"Title": words.title, "Headline": words.title, "Keywords": keywords, "Subject": keywords}
    return {
        tag: next((text for end, text in fields.items() if tag.endswith(end)), words.description)
        for tag in OLD
    }


def writers_in(image: bytes) -> list[str]:
    """Of IPTC and of XMP."""
    tags = tags_of(image)
    return [tags[tag] for tag in ("IPTC:Writer-Editor", "XMP-photoshop:CaptionWriter") if tag in tags]
