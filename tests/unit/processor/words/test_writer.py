"""Whose words they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.processor.words.lengths import MAX_WRITER_BYTES, cut
from gateway.processor.words.writer import (
    answers_for_title,
    is_analyzer,
    of_description_alone,
    writer_of_both,
)

LOCAL, LONG = "local/efficientnet-lite0", "vision/openai/gpt-4o-mini-2024-07-18"
ANALYZERS = st.sampled_from([LOCAL, LONG, "analyzer"]) | st.text("abc/-. 0é", max_size=40).map(
    lambda name: " ".join(("vision/" + name).split())
)


@pytest.mark.parametrize("writer", [LOCAL, LONG, "analyzer"])
def test_an_analyzer_answers_for_both_or_for_the_description_alone(writer: str) -> None:
    alone = of_description_alone(writer)
    assert (is_analyzer(writer), answers_for_title(writer)) == (True, True)
    assert (is_analyzer(alone), answers_for_title(alone)) == (True, False)


def test_it_is_said_once() -> None:
    assert of_description_alone(of_description_alone(LOCAL)) == f"{LOCAL} (desc.)"


@pytest.mark.parametrize(
    "writer",
    ["", "Jane", "Analyzer", "analyzer Smith", "analyzers", "local", "Local/paper", "vision", "a/local/b"],
)
def test_anybody_else_is_a_person(writer: str) -> None:
    assert (is_analyzer(writer), answers_for_title(writer)) == (False, False)


class TestXmpAndIptc:
    def test_a_person_in_either_is_believed(self) -> None:
        assert writer_of_both(LOCAL, "Jane") == writer_of_both("Jane", LOCAL) == "Jane"

    def test_either_may_be_silent(self) -> None:
        assert writer_of_both(LOCAL, "") == writer_of_both("", LOCAL) == LOCAL
        assert writer_of_both("", "") == ""

    def test_of_two_analyzers_who_differ_the_one_counts_who_claims_less(self) -> None:
        alone = of_description_alone(LOCAL)
        assert writer_of_both(alone, LOCAL) == writer_of_both(LOCAL, alone) == alone

    @given(ANALYZERS, st.booleans())
    def test_what_was_written_into_both_is_read_whole(self, writer: str, alone: bool) -> None:
        writer = of_description_alone(writer) if alone else writer
        assert writer_of_both(writer, cut(writer, MAX_WRITER_BYTES)) == writer

    @given(ANALYZERS)
    def test_iptc_alone_never_claims_a_title_that_xmp_does_not(self, writer: str) -> None:
        """As with a program that took the XMP away, or that knows none."""
        held = of_description_alone(writer).encode()[:MAX_WRITER_BYTES].decode(errors="ignore")
        assert not answers_for_title(writer_of_both("", held.strip()))
