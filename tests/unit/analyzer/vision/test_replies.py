"""What endpoints answer, and what it means for the image and the next request."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analyzer.vision.failures import UNREADABLE_TRIES, RequestFailed
from gateway.analyzer.vision.replies import Usage, reply_of

DATE = "Sat, 28 Nov 2026 12:00:00 GMT"
IN_A_MINUTE = "Sat, 28 Nov 2026 12:01:00 GMT"


def answer(message: Any, *, finish_reason: str = "stop", **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish_reason}], **more}).encode()


def failure(status: int, body: Any = b"", **headers: str) -> RequestFailed:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(RequestFailed) as caught:
        reply_of(status, named, content).words()
    return caught.value


def error(message: str = "No.", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def text_of(content: Any) -> str:
    return reply_of(200, {}, answer({"content": content})).text


def test_the_text_of_the_first_choice_is_the_reply():
    assert text_of("hello") == "hello"


def test_parts_of_a_text_are_joined():
    assert (
        text_of([{"type": "text", "text": "hel"}, {"type": "image"}, 5, {"type": "text", "text": "lo"}])
        == "hello"
    )


def test_tokens_and_cost_are_read():
    usage = {"prompt_tokens": 800, "completion_tokens": 60, "cost": 0.0025}
    assert reply_of(200, {}, answer({"content": ""}, usage=usage)).usage == Usage(800, 60, 0.0025)


@pytest.mark.parametrize(
    "usage", [None, 5, {}, {"prompt_tokens": "many", "completion_tokens": -1, "cost": True}]
)
def test_usage_that_makes_no_sense_counts_nothing(usage):
    assert reply_of(200, {}, answer({"content": ""}, usage=usage)).usage == Usage()


@pytest.mark.parametrize(
    ("status", "looked_at"),
    [
        (401, "OPENROUTER_API_KEY"),
        (402, "credit"),
        (403, "key"),
        (404, r"vision\.model and vision\.url"),
        (413, r"vision\.longest_side"),
        (400, r"vision\.model and the log"),
        (422, r"vision\.model and the log"),
        (307, r"vision\.url"),
    ],
)
def test_what_stays_so_is_asked_once_and_says_what_to_look_at(status, looked_at):
    found = failure(status, error())
    assert (found.most_tries, found.outcome, found.is_down) == (1, "rejected", False)
    assert found.failure.code == "analysis_unavailable"
    with pytest.raises(type(found.failure), match=looked_at):
        raise found.failure


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 529])
def test_an_endpoint_in_trouble_is_asked_again(status):
    found = failure(status, b"<html>Bad gateway</html>")
    assert (found.most_tries, found.outcome, found.is_down) == (None, "failed", True)
    assert found.failure.code == "analysis_unavailable"


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "7", 7),
        (503, "7", 7),
        (429, IN_A_MINUTE, 60),
        (503, IN_A_MINUTE, 60),
        (500, "7", None),
        (429, "soon", None),
    ],
)
def test_retry_after_is_understood_where_it_means_something(status, value, seconds):
    assert failure(status, error(), Retry_After=value, Date=DATE).retry_after_s == seconds


def test_a_limit_is_no_trouble_of_the_endpoint():
    found = failure(429, error())
    assert (found.outcome, found.most_tries, found.is_down) == ("limited", None, False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, error("Flagged.", metadata={"reasons": ["violence"], "flagged_input": "..."})),
        (403, error("Input failed moderation.")),
        (400, error("No.", code="content_policy_violation")),
        (400, error("No.", code="content_filter")),
        (200, error("No.", code=403, metadata={"reasons": ["violence"]})),
        (200, error("Blocked by moderation")),
        (200, {"choices": [{"message": {"content": None, "refusal": "I won't."}}]}),
        (200, {"choices": [{"message": {"content": "..."}, "finish_reason": "content_filter"}]}),
        (200, {"choices": [{"message": {"content": "I'm sorry, I can't help with that."}}]}),
    ],
)
def test_a_refusal_is_final(status, body):
    found = failure(status, body)
    assert (found.failure.code, found.outcome, found.most_tries) == ("analysis_refused", "refused", 1)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><h1>Welcome</h1></html>",
        b"",
        b"\xff\xfe",
        b"[1]",
        b'"hello"',
        error("Provider returned error", code=502),
        error("Provider returned error", code="server_error"),
        {"error": "overloaded"},
        {"choices": [{"error": {"code": 502, "message": "Upstream"}, "finish_reason": "error"}]},
    ],
)
def test_trouble_under_a_good_status_is_asked_again(body):
    found = failure(200, body)
    assert (found.failure.code, found.most_tries, found.is_down) == ("analysis_unavailable", None, True)


def test_a_limit_under_a_good_status_is_a_limit():
    assert failure(200, error(code=429), Retry_After="7").retry_after_s == 7


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": {"message": 1}},
        {"choices": [{"message": {"content": ""}}]},
        {"choices": [{"message": {"content": None}}]},
        {"choices": [{"message": {"content": "A cat."}}]},
        {"choices": [{"message": {"content": '{"title": "A c'}, "finish_reason": "length"}]},
    ],
)
def test_a_reply_without_words_is_worth_one_more_try(body):
    found = failure(200, body)
    assert (found.failure.code, found.outcome) == ("analysis_unreadable", "unreadable")
    assert found.most_tries == UNREADABLE_TRIES


def test_half_an_answer_will_do_if_title_and_description_are_whole():
    cut = '{"title": "A cat", "description": "It sleeps.", "keywords": ["cat", "so'
    words = reply_of(200, {}, answer({"content": cut}, finish_reason="length")).words()
    assert (words.title, words.description, words.keywords) == ("A cat", "It sleeps.", ("cat",))


def test_what_the_endpoint_says_is_for_the_log_and_not_for_clients():
    found = failure(500, error("db-3.internal is down")).failure
    assert "internal" in str(found)
    assert "internal" not in found.text


def test_what_the_endpoint_says_is_cut_and_cleaned_and_holds_no_key():
    said = str(
        failure(401, error("Incorrect API key: sk-or-v1-0123456789abcdef.\n\x00" + "x " * 5000)).failure
    )
    assert "sk-or" not in said
    assert said.isprintable()
    assert len(said) < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def shaped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    choice = st.fixed_dictionaries({}, optional={"message": inner, "finish_reason": inner, "error": inner})
    return st.fixed_dictionaries(
        {}, optional={"choices": st.lists(choice) | inner, "usage": inner, "error": inner}
    )


MESSAGES = st.fixed_dictionaries(
    {}, optional={"content": JSON, "refusal": JSON, "code": JSON, "metadata": JSON}
)


@given(
    st.integers(200, 599), st.binary() | shaped(JSON | MESSAGES).map(lambda value: json.dumps(value).encode())
)
def test_whatever_an_endpoint_answers_is_a_reply_or_a_failure_of_its_request(status, body):
    with suppress(RequestFailed):
        reply_of(status, {"Retry-After": "x"}, body).words()
