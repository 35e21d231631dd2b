"""Positions in a log, and the snapshot that a new subscriber gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.events import EventType, StreamPosition, snapshot_event, state_after
from tests.builders import a_job, an_accepted_job, complete, publish

epochs = st.from_regex(r"[0-9a-z]{1,32}", fullmatch=True)


@given(epochs, st.integers(min_value=0, max_value=10**18 - 1))
def test_every_position_is_read_back(epoch, seq):
    position = StreamPosition(epoch, seq)
    assert StreamPosition.parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "7",
        "a",
        "a:",
        ":7",
        "a:b",
        "a:-1",
        "a:+1",
        "a:07",
        "a:1.0",
        "a:1e3",
        "a: 1",
        "a:1 ",
        "a:1\n",
        "a:1_000",
        "a:1:2",
        "A:1",
        "ä:1",
        "a:٣",
        f"a:{10**18}",
        f"{'a' * 33}:1",
    ],
)
def test_a_malformed_position_is_none(text):
    assert StreamPosition.parse(text) is None


@given(st.text(max_size=60))
def test_any_text_is_a_position_or_none_and_never_an_error(text):
    position = StreamPosition.parse(text)
    assert position is None or str(position) == text


def test_a_snapshot_is_the_present_state_at_its_position():
    job = a_job(images=3, completed=1, failed=1)
    event = snapshot_event(job)
    assert (event.type, event.seq, event.at) == (EventType.PROGRESS, job.seq, job.updated_at)
    assert (event.status, event.counts, event.image) == (job.status, job.counts, None)


def test_the_state_after_an_event_tells_nothing_of_what_happened():
    accepted = an_accepted_job(1)
    (*_, last) = complete(publish(accepted.job).job).events
    assert last.type is EventType.JOB_COMPLETE
    assert (state_after(last).type, state_after(last).counts) == (EventType.PROGRESS, last.counts)
