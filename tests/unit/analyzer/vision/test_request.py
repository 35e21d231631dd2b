"""What is sent to an endpoint."""

import json
from typing import Any

import pytest

from gateway.analyzer.vision.request import request_body
from gateway.analyzer.vision.settings import OPENROUTER, VisionSettings
from tests.golden import golden

DATA_URL = "data:image/jpeg;base64,..."
KNOWN = golden("chat_completions.request")[0]["body"]
PROMPT = KNOWN["messages"][0]["content"][0]["text"]


def sent_to(url: str, **settings: Any) -> Any:
    return json.loads(request_body(VisionSettings(url=url, **settings), PROMPT, DATA_URL))


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://127.0.0.1:11434/v1"])
def test_an_endpoint_gets_what_the_running_analyzer_sends_and_nothing_else(url):
    assert sent_to(url) == KNOWN


def test_openrouter_is_asked_for_the_cost_as_well():
    assert sent_to(OPENROUTER) == {**KNOWN, "usage": {"include": True}}


def test_a_model_that_declines_max_tokens_gets_it_under_its_newer_name():
    sent = json.loads(request_body(VisionSettings(max_tokens=99), PROMPT, DATA_URL, {"max_tokens"}))
    assert (sent.get("max_tokens"), sent["max_completion_tokens"]) == (None, 99)


def test_a_model_that_declines_temperature_gets_none():
    assert "temperature" not in json.loads(request_body(VisionSettings(), PROMPT, DATA_URL, {"temperature"}))


def test_the_key_is_no_part_of_it():
    assert "secret" not in json.dumps(sent_to(OPENROUTER, api_key="sk-or-v1-secret"))
