"""What is written of new words into an image that has some."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.processor.words.found import Found
from gateway.processor.words.policy import AUTO, Changes, combined, decide
from gateway.processor.words.texts import fit_to_write, without_case
from gateway.processor.words.writer import is_analyzer

REPLACE, APPEND, KEEP = FieldPolicy.REPLACE, FieldPolicy.APPEND, FieldPolicy.KEEP
LOCAL, VISION = "local/efficientnet-lite0", "vision/openai/gpt-4o"
NEW = Metadata("Cat", "A cat on a sofa.", ("cat", "sofa"), VISION)
JANES = Metadata("Minka", "Our Minka, 2019.", ("Minka",), "Jane")
NOBODYS = Metadata("Minka", "Our Minka, 2019.", ("Minka",))
ANALYZERS = Metadata("Animal", "An animal.", ("animal",), LOCAL)

POLICIES = (REPLACE, APPEND, KEEP, None)
ALL = [MetadataPolicy(policy, policy, policy) for policy in POLICIES]


def changes(there: Metadata, new: Metadata = NEW, policy: MetadataPolicy = AUTO) -> Changes:
    return decide(Found(there), new, policy)


def written(there: Metadata, new: Metadata = NEW, policy: MetadataPolicy = AUTO) -> Metadata:
    """What stands in the image then."""
    return changes(there, new, policy).applied_to(there)


@pytest.mark.parametrize("policy", ALL, ids=["replace", "append", "keep", "auto"])
class TestWhateverThePolicy:
    def test_empty_fields_are_filled(self, policy: MetadataPolicy) -> None:
        assert written(Metadata(), NEW, policy) == NEW

    def test_words_that_are_not_known_change_nothing(self, policy: MetadataPolicy) -> None:
        assert changes(JANES, Metadata(writer=VISION), policy).is_empty

    def test_the_existing_analyzer_is_named_by_what_it_is(self, policy: MetadataPolicy) -> None:
        assert written(Metadata(), evolve(NEW, writer=""), policy).writer == "analyzer"

    def test_a_description_without_a_title_claims_none_that_may_come(self, policy: MetadataPolicy) -> None:
        assert written(Metadata(), evolve(NEW, title=""), policy).writer == f"{VISION} (desc.)"

    def test_a_title_alone_has_no_writer(self, policy: MetadataPolicy) -> None:
        assert written(Metadata(), evolve(NEW, description=""), policy).writer == ""


class TestReplace:
    policy = MetadataPolicy(REPLACE, REPLACE, REPLACE)

    @pytest.mark.parametrize("there", [JANES, NOBODYS, ANALYZERS])
    def test_all_old_words_and_their_writer_go(self, there: Metadata) -> None:
        assert written(there, NEW, self.policy) == NEW

    def test_a_title_of_which_nothing_is_known_stays_whose_it_was(self) -> None:
        new = evolve(NEW, title="")
        assert written(JANES, new, self.policy).writer == f"{VISION} (desc.)"
        assert written(ANALYZERS, new, self.policy).writer == VISION

    def test_of_new_keywords_none_comes_twice(self) -> None:
        new = Metadata(keywords=("Café", "cafe\u0301", "CAFÉ"))
        assert written(JANES, new, self.policy).keywords == ("Café",)


class TestAppend:
    policy = MetadataPolicy(APPEND, APPEND, APPEND)

    def test_the_old_words_come_first(self) -> None:
        words = written(NOBODYS, NEW, self.policy)
        assert words == Metadata(
            "Minka – Cat", "Our Minka, 2019.\nA cat on a sofa.", ("Minka", "cat", "sofa")
        )

    def test_what_is_said_already_is_not_said_again(self) -> None:
        there = Metadata("My CAT", "See: a cat on  a sofa.", ("CAT", "Sofa"))
        assert written(there, NEW, self.policy) == there

    @pytest.mark.parametrize("title", ["Catalogue", "Bobcat"])
    def test_a_part_of_a_word_is_not_the_word(self, title: str) -> None:
        assert written(Metadata(title), NEW, self.policy).title == f"{title} – Cat"

    def test_a_persons_description_stays_a_persons(self) -> None:
        assert written(JANES, NEW, self.policy).writer == "Jane"
        assert written(NOBODYS, NEW, self.policy).writer == ""

    def test_what_two_analyzers_wrote_is_of_the_second(self) -> None:
        words = written(ANALYZERS, NEW, self.policy)
        assert (words.description, words.writer) == ("An animal.\nA cat on a sofa.", VISION)

    def test_an_analyzers_name_does_not_stay_on_a_description_that_a_person_changed(self) -> None:
        there = Found(ANALYZERS, description_agrees=False)
        assert decide(there, NEW, self.policy).writer == ""

    def test_nor_does_it_answer_for_a_title_that_a_person_changed(self) -> None:
        there = Found(ANALYZERS, title_agrees=False)
        assert decide(there, NEW, self.policy).writer == f"{VISION} (desc.)"
        assert decide(there, Metadata("Cat", writer=VISION), self.policy).writer == f"{LOCAL} (desc.)"


class TestKeep:
    policy = MetadataPolicy(KEEP, KEEP, KEEP)

    @pytest.mark.parametrize("there", [JANES, NOBODYS, ANALYZERS])
    def test_words_that_are_there_stay_with_their_writer(self, there: Metadata) -> None:
        assert changes(there, NEW, self.policy).is_empty

    def test_a_description_beside_a_persons_title_has_a_writer_who_does_not_claim_the_title(self) -> None:
        assert written(Metadata("Minka"), NEW, self.policy) == Metadata(
            "Minka", NEW.description, NEW.keywords, f"{VISION} (desc.)"
        )

    def test_a_title_beside_a_persons_description_changes_no_writer(self) -> None:
        there = evolve(JANES, title="")
        assert written(there, NEW, self.policy) == evolve(JANES, title="Cat")


class TestAuto:
    @pytest.mark.parametrize("there", [JANES, NOBODYS])
    def test_a_persons_title_and_description_are_kept_and_keywords_added(self, there: Metadata) -> None:
        assert written(there) == evolve(there, keywords=("Minka", "cat", "sofa"))

    def test_what_an_analyzer_wrote_is_replaced_but_for_its_keywords(self) -> None:
        assert written(ANALYZERS) == evolve(NEW, keywords=("animal", "cat", "sofa"))

    def test_a_persons_title_is_not_taken_for_the_analyzers_at_the_next_run(self) -> None:
        once = written(Metadata("Minka"), ANALYZERS)
        assert written(once) == Metadata(
            "Minka", NEW.description, ("animal", "cat", "sofa"), f"{VISION} (desc.)"
        )

    def test_a_description_that_a_person_changed_is_kept_and_so_is_the_title(self) -> None:
        """Whoever took the trouble may have looked at the title too."""
        there = Found(ANALYZERS, description_agrees=False)
        assert decide(there, NEW, AUTO) == Changes(keywords=("animal", "cat", "sofa"))

    def test_a_title_that_a_person_changed_is_kept(self) -> None:
        there = decide(Found(ANALYZERS, title_agrees=False), NEW, AUTO)
        assert (there.title, there.description) == (None, NEW.description)

    def test_a_writer_without_a_description_is_nobody(self) -> None:
        """Agencies put it into each of their photos."""
        assert written(Metadata(writer="Jane")) == NEW
        assert written(Metadata("Minka", writer=LOCAL)).title == "Minka"


def test_the_request_is_asked_first_and_then_the_setting() -> None:
    said, setting = MetadataPolicy(title=KEEP), MetadataPolicy(title=REPLACE, keywords=APPEND)
    assert combined(said, setting) == MetadataPolicy(KEEP, None, APPEND)


TEXTS = st.text(max_size=20) | st.sampled_from(
    ["Cat", "cat", "Catalogue", "Zoe\u0308", "猫", "ǰ", "ſ", "\u0338"]
)
NAMES = st.sampled_from([LOCAL, VISION, "", "analyzer"])
PERSONS = st.sampled_from(["", "Jane", "analyzer Smith"])


def words(writers: st.SearchStrategy[str]) -> st.SearchStrategy[Metadata]:
    keywords = st.lists(TEXTS, max_size=4).map(tuple)
    return st.builds(Metadata, TEXTS, TEXTS, keywords, writers).map(fit_to_write)


FIELD = st.sampled_from(POLICIES)
GENTLE_FIELD = st.sampled_from([APPEND, KEEP, None])
ANY_POLICY = st.builds(MetadataPolicy, FIELD, FIELD, FIELD)
GENTLE_POLICY = st.builds(MetadataPolicy, GENTLE_FIELD, GENTLE_FIELD, GENTLE_FIELD)
RUNS = st.lists(st.tuples(words(NAMES), GENTLE_POLICY), min_size=1, max_size=4)


@given(words(PERSONS | NAMES), words(NAMES), ANY_POLICY)
def test_the_same_run_again_changes_nothing(there: Metadata, new: Metadata, policy: MetadataPolicy) -> None:
    once = written(there, new, policy)
    assert written(once, new, policy) == once


@given(words(PERSONS), RUNS)
def test_nothing_of_a_persons_is_lost_in_runs_that_replace_nothing(
    there: Metadata, runs: list[tuple[Metadata, MetadataPolicy]]
) -> None:
    after = there
    for new, policy in runs:
        after = written(after, new, policy)
    assert after.title.startswith(there.title)
    assert after.description.startswith(there.description)
    assert after.keywords[: len(there.keywords)] == there.keywords
    assert not there.description or after.writer == there.writer


@given(words(NAMES), st.booleans(), st.booleans(), RUNS)
def test_nothing_is_lost_of_what_a_person_changed_in_an_analyzers_words(
    there: Metadata, title: bool, description: bool, runs: list[tuple[Metadata, MetadataPolicy]]
) -> None:
    """What is written is the same in all standards from then on: nothing but the writer can tell."""
    state = Found(there, title_agrees=not title, description_agrees=not description)
    for new, policy in runs:
        change = decide(state, new, policy)
        state = Found(
            change.applied_to(state.words),
            state.title_agrees or change.title is not None,
            state.description_agrees or change.description is not None,
        )
    assert not title or state.words.title.startswith(there.title)
    assert not description or state.words.description.startswith(there.description)


@given(words(PERSONS | NAMES), words(NAMES), ANY_POLICY)
def test_keywords_never_get_doubles(there: Metadata, new: Metadata, policy: MetadataPolicy) -> None:
    keywords = [without_case(keyword) for keyword in written(there, new, policy).keywords]
    old = [without_case(keyword) for keyword in there.keywords]
    assert len(keywords) - len(set(keywords)) <= len(old) - len(set(old))


@given(words(PERSONS | NAMES), words(NAMES), ANY_POLICY)
def test_an_analyzers_description_always_has_an_analyzer_as_its_writer(
    there: Metadata, new: Metadata, policy: MetadataPolicy
) -> None:
    change = changes(there, new, policy)
    if change.description is not None and change.description == new.description:
        assert change.writer is not None
        assert is_analyzer(change.writer)
