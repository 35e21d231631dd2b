import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.failure_texts import fit_for_clients
from gateway.messages import ImageProcessed, decode
from tests.golden import golden


def test_the_processors_real_error_loses_its_line_breaks_and_its_path():
    (message,) = golden("image_processed.failed-png")
    text = fit_for_clients(decode(ImageProcessed, message["body"].encode()).error)
    assert text.startswith(
        "metadata write failed: exiftool failed: exit status 1, output: Error: Not a valid JPG"
    )
    assert "/tmp" not in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("", "the processor gave no reason"),
        ("\n\t ", "the processor gave no reason"),
        ("can't read /var/lib/x/photo.jpg: gone", "can't read …: gone"),
        ("object abc-123/photo.jpg is gone", "object abc-123/photo.jpg is gone"),
        ("and/or", "and/or"),
    ],
)
def test_a_text_becomes_fit(error, text):
    assert fit_for_clients(error) == text


@given(st.text(max_size=1000))
def test_any_text_is_one_bounded_line(error):
    text = fit_for_clients(error)
    assert text
    assert len(text) <= 300
    assert "\n" not in text
