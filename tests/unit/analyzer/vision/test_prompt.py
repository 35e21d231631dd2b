"""What a model is asked."""

from pathlib import Path

import pytest

from gateway.analyzer.local.shot import Position
from gateway.analyzer.vision.prompt import MAX_PROMPT_BYTES, PROMPT, prompt_for, template_of
from gateway.analyzer.vision.settings import VisionSettings
from gateway.background import CanNotStart
from tests.golden import golden

PLAIN = golden("chat_completions.request")[0]["body"]["messages"][0]["content"][0]["text"]


def test_a_prompt_of_an_existing_deployment_is_sent_as_it_stands():
    assert prompt_for(template_of(VisionSettings(prompt=PLAIN)), "English", None) == PLAIN


@pytest.mark.parametrize("text", ["$5 or $$ or ${x} or $Language", '{"title": "%s {0} \\\\1"}', "$languages"])
def test_other_dollar_signs_and_braces_stay(text):
    assert prompt_for(text, "German", None) == text


def test_the_language_is_filled_in():
    assert prompt_for("In $language, ${language}!", r"Gre\1ek", None) == r"In Gre\1ek, Gre\1ek!"


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_without_a_prompt_there_is_one_of_ours(empty):
    assert template_of(VisionSettings(prompt=empty)) == PROMPT


def test_our_prompt_asks_for_the_three_fields_in_the_language():
    prompt = prompt_for(PROMPT, "Portuguese", None)
    assert all(f'"{name}"' in prompt for name in ("title", "description", "keywords"))
    assert "Portuguese" in prompt
    assert "$" not in prompt


@pytest.mark.parametrize(
    ("position", "told"),
    [
        (Position(48.85837, 2.29448), "48.8584° N, 2.2945° E"),
        (Position(-33.8568, -0.5), "33.8568° S, 0.5000° W"),
    ],
)
def test_a_place_stands_behind_the_prompt(position, told):
    prompt = prompt_for("What is it?", "English", position)
    assert prompt.startswith("What is it?\n\n")
    assert told in prompt


def test_a_prompt_in_a_file_goes_before_the_one_in_the_settings(tmp_path: Path):
    file = tmp_path / "prompt.txt"
    file.write_text("\ufeffWas ist das?\n", encoding="utf-8")
    assert template_of(VisionSettings(prompt="What?", prompt_file=str(file))) == "Was ist das?\n"


@pytest.mark.parametrize(
    "content",
    [None, b"", b" \n", b"\xff\xfe", b"x" * (MAX_PROMPT_BYTES + 1)],
    ids=["none", "empty", "blank", "bytes", "long"],
)
def test_a_file_that_holds_no_prompt_stops_the_start_and_is_named(content, tmp_path: Path):
    file = tmp_path / "prompt.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CanNotStart, match=r"prompt\.txt \(vision\.prompt_file\)"):
        template_of(VisionSettings(prompt_file=str(file)))
