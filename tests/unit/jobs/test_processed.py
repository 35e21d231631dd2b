"""Where tagged images may lie, by the two processors."""

import pytest

from gateway.domain.attempt import AttemptName
from gateway.jobs.processed import is_of_attempt, known_paths
from tests.builders import a_refused_image, an_image

TRACE = "b-550e8400-e29b-41d4-a716-446655440000"


def test_an_object_may_lie_at_two_places_for_each_attempt_the_newest_first():
    image = an_image(trace_id=TRACE, attempt=2, original_filename="../Zürich.PNG")
    assert [path for _, path in known_paths(image)] == [
        f"{TRACE}-a2/Zürich.jpg",
        f"processed/{TRACE}-a2/Zürich.jpg",
        f"{TRACE}/Zürich.jpg",
        f"processed/{TRACE}/Zürich.jpg",
    ]


def test_an_image_that_was_never_stored_has_no_object():
    assert list(known_paths(a_refused_image())) == []


def test_each_known_path_is_of_its_attempt_and_of_no_other():
    paths = list(known_paths(an_image(trace_id=TRACE, attempt=12)))
    for name, path in paths:
        assert [number for number in range(1, 13) if is_of_attempt(path, AttemptName(TRACE, number))] == [
            name.number
        ]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "photo.jpg",
        TRACE,
        f"{TRACE}/",
        f"{TRACE}/deeper/photo.jpg",
        f"others/{TRACE}/photo.jpg",
        f"processed/others/{TRACE}/photo.jpg",
        f"{TRACE}/../others/photo.jpg",
        f"/{TRACE}/photo.jpg",
    ],
)
def test_other_paths_are_of_no_attempt(path):
    assert not is_of_attempt(path, AttemptName(TRACE, 1))
