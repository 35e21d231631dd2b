"""What a job costs in memory, roughly."""

from collections.abc import Callable

import orjson
import pytest

from gateway.domain.footprint import footprint, growth
from gateway.domain.job import Job
from gateway.metadata import Metadata
from tests.builders import a_job, an_image, complete, publish
from tests.traced_memory import traced_memory

A_WIDE_LETTER = "\U0001d400"


def a_job_of_many_words() -> Job:
    """The largest that an image may say, in letters that cost the most."""
    images = [
        an_image(
            index,
            metadata=Metadata(
                f"{index:996}" + A_WIDE_LETTER,
                f"{index:7996}" + A_WIDE_LETTER,
                tuple(f"{number:31}" + A_WIDE_LETTER for number in range(200)),
                f"{index:196}" + A_WIDE_LETTER,
            ),
        )
        for index in range(20)
    ]
    return a_job(images)


@pytest.mark.parametrize(
    "make", [lambda: a_job(20, completed=20), a_job_of_many_words], ids=["everyday", "largest"]
)
def test_the_footprint_is_about_what_is_held(make: Callable[[], Job]) -> None:
    make()
    with traced_memory() as traced:
        job = make()

    assert 0.9 * traced.held_bytes <= footprint(job) <= 2 * traced.held_bytes


def test_a_job_grows_by_what_its_footprint_grows() -> None:
    before = a_job(3)
    after = complete(publish(before, 1).job, 1).job

    assert growth(before, after) == footprint(after) - footprint(before) > 0
    assert growth(before, before) == 0


def test_a_job_costs_the_same_before_and_after_its_words_were_written() -> None:
    job = a_job([an_image(metadata=Metadata("Гавань " * 100, "", ("рассвет",)))])
    before = footprint(job)
    orjson.dumps(job.images[0].metadata and job.images[0].metadata.title)
    assert footprint(job) == before


@pytest.mark.parametrize(
    "words",
    [
        Metadata("x" * 500),
        Metadata("", "x" * 500),
        Metadata("", "", ("x" * 500,)),
        Metadata(writer="x" * 500),
    ],
)
def test_all_that_an_image_says_counts(words: Metadata) -> None:
    assert footprint(a_job([an_image(metadata=words)])) > footprint(a_job([an_image()])) + 500
