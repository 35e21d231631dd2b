"""That each odd message is of the kind it is told as; that a queue's messages are really compared."""

import random
from collections import Counter

import pytest

from gateway.domain.attempt import parse_attempt
from gateway.messages import ImageProcessed, ImageUpload, Malformed, decode
from tests.chaos import odd_messages
from tests.chaos.faults.odd_results import compared
from tests.chaos.odd_messages import Message

REAL = odd_messages.a_result("b-0a1b2c3d-0000-4000-8000-00000000abcd", "a group", processed_path="a/b.jpg")
SEEDS = range(200)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_malformed_can_not_be_read(seed: int) -> None:
    message = odd_messages.malformed(random.Random(seed), REAL, seed)
    with pytest.raises(Malformed):
        decode(ImageProcessed, message.body)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_of_others_can_be_read_and_names_no_attempt_of_ours(seed: int) -> None:
    message = odd_messages.foreign(random.Random(seed), REAL, seed)
    assert parse_attempt(decode(ImageProcessed, message.body).trace_id, odd_messages.PREFIX) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_of_unknown_jobs_attempts_or_contradicts_names_an_attempt_of_ours(seed: int) -> None:
    for fields in (
        odd_messages.of_an_unknown_job(random.Random(seed), seed),
        odd_messages.of_an_unknown_attempt(REAL, seed),
        odd_messages.contradicting(REAL, seed),
    ):
        read = decode(ImageProcessed, odd_messages.message(fields).body)
        assert parse_attempt(read.trace_id, odd_messages.PREFIX) is not None


def test_a_rejected_upload_is_one_of_the_results_attempt() -> None:
    letter = decode(ImageUpload, odd_messages.a_rejected_upload(REAL).body)
    assert (letter.trace_id, letter.group_id) == (REAL["trace_id"], REAL["group_id"])
    assert letter.original_path


@pytest.mark.parametrize("number", [1, 2, 17, 1000])
def test_the_image_of_an_attempt_is_told_by_its_name(number: int) -> None:
    trace_id = "b-0a1b2c3d-0000-4000-8000-a12345678901"
    assert odd_messages.first_attempt(odd_messages.of_attempt(trace_id, number)) == trace_id


HERE = Message(b"one", {"owner": "somebody"})


@pytest.mark.parametrize(
    ("lying", "lost", "left_over"),
    [
        ([HERE], 0, 0),
        ([], 1, 0),
        ([HERE, HERE], 0, 1),
        ([Message(b"one")], 1, 1),
        ([Message(b"one ", HERE.headers)], 1, 1),
    ],
    ids=["unchanged", "gone", "twice", "without its headers", "with another body"],
)
def test_what_is_parked_must_lie_there_once_and_unchanged(
    lying: list[Message], lost: int, left_over: int
) -> None:
    measured = compared("a queue", Counter([HERE.identity]), Counter(each.identity for each in lying))
    assert (measured.lost, measured.left_over) == (lost, left_over)
    assert len(measured.violations) == lost + left_over
