"""What a client may say on a WebSocket for many jobs, and that everything else is refused without a crash."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from gateway.api.live.websocket.client_messages import (
    ALL_JOBS,
    LONGEST_JOB_ID,
    BadMessage,
    Subscribe,
    Unsubscribe,
    read_message,
)
from gateway.api.schemas.subscriptions import subscription_schemas
from tests.closed_schemas import closed

JOB = "550e8400-e29b-41d4-a716-446655440000"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
JOB_IDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=LONGEST_JOB_ID).filter(
    lambda job_id: job_id != ALL_JOBS
)


def refusal(message: object) -> BadMessage:
    text = message if isinstance(message, str) else json.dumps(message)
    with pytest.raises(BadMessage) as caught:
        read_message(text)
    return caught.value


def test_a_job_is_subscribed_to() -> None:
    assert read_message(json.dumps({"type": "subscribe", "job_id": JOB})) == Subscribe(job_id=JOB)


def test_where_to_go_on_and_all_images_may_be_asked_for() -> None:
    said = {"type": "subscribe", "job_id": JOB, "after": "e:3", "images": True}
    assert read_message(json.dumps(said)) == Subscribe(job_id=JOB, after="e:3", images=True)


@pytest.mark.parametrize("more", [{}, {"images": False}])
def test_all_jobs_are_subscribed_to(more: dict[str, bool]) -> None:
    said = {"type": "subscribe", "job_id": "*", "after": "e:3", **more}
    assert read_message(json.dumps(said)) == Subscribe(job_id="*", after="e:3")


def test_a_job_is_unsubscribed_from() -> None:
    assert read_message(json.dumps({"type": "unsubscribe", "job_id": "*"})) == Unsubscribe(job_id="*")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("", id="nothing"),
        pytest.param("hello", id="no JSON"),
        pytest.param('{"type": "subscribe", "job_id": "*"', id="not closed"),
        pytest.param('{"type": "subscribe", "job_id": "*"} {}', id="two"),
        pytest.param('{"type": "subscribe", "job_id": "*", "after": NaN}', id="no JSON number"),
        pytest.param("[" * 4000, id="deep"),
        pytest.param('{"a":' * 800, id="deep objects"),
        pytest.param("9" * 4000, id="a long number"),
        pytest.param('{"type": "subscribe", "job_id": "*", "job_id": "*"}', id="a field twice"),
        pytest.param('{"type": "subscribe", "job_id": "*", "after": {"a": 1, "a": 1}}', id="twice inside"),
        pytest.param('"subscribe"', id="a text"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="a list"),
        pytest.param("{}", id="empty"),
        pytest.param('{"job_id": "*"}', id="no type"),
        pytest.param('{"type": "ping", "job_id": "*"}', id="another type"),
        pytest.param('{"type": ["subscribe"], "job_id": "*"}', id="a list as type"),
        pytest.param('{"type": "subscribe"}', id="no job"),
        pytest.param('{"type": "subscribe", "job_id": ""}', id="empty job"),
        pytest.param('{"type": "subscribe", "job_id": 7}', id="a number as job"),
        pytest.param(json.dumps({"type": "subscribe", "job_id": "x" * 65}), id="a long job"),
        pytest.param('{"type": "subscribe", "job_id": "\\ud800"}', id="half a surrogate pair"),
        pytest.param('{"type": "subscribe", "job_id": "a\\u0000"}', id="a control character"),
        pytest.param('{"type": "subscribe", "job_id": "*", "after": null}', id="null as after"),
        pytest.param('{"type": "subscribe", "job_id": "*", "after": 7}', id="a number as after"),
        pytest.param('{"type": "subscribe", "job_id": "*", "images": 1}', id="a number as images"),
        pytest.param('{"type": "subscribe", "job_id": "*", "images": "true"}', id="a text as images"),
        pytest.param('{"type": "subscribe", "job_id": "*", "images": true}', id="the images of all jobs"),
        pytest.param('{"type": "subscribe", "job_id": "*", "afer": "e:1"}', id="a misspelt field"),
        pytest.param(
            '{"type": "unsubscribe", "job_id": "*", "after": "e:1"}', id="a field of the other type"
        ),
    ],
)
def test_everything_else_is_refused_in_a_sentence(said: str) -> None:
    refused = refusal(said)
    assert refused.code == "bad_message"
    assert refused.text.endswith(".")


def test_a_refusal_names_the_job_that_could_be_made_out() -> None:
    assert refusal({"type": "subscribe", "job_id": JOB, "images": 1}).job_id == JOB
    assert refusal({"type": "subscribe", "job_id": "\ud800"}).job_id is None


@given(job_id=JOB_IDS, after=st.none() | st.text(), images=st.none() | st.booleans())
def test_every_message_of_the_right_shape_is_read(
    job_id: str, after: str | None, images: bool | None
) -> None:
    said: dict[str, Any] = {"type": "subscribe", "job_id": job_id, "after": after, "images": images}
    said = {name: value for name, value in said.items() if value is not None}
    read = read_message(json.dumps(said))
    assert read == Subscribe(job_id=job_id, after=after, images=images or False)


@given(
    st.dictionaries(
        st.sampled_from(["type", "job_id", "after", "images"]) | st.text(max_size=8),
        VALUES | st.sampled_from(["subscribe", "unsubscribe", "*", JOB]),
    )
)
def test_whatever_the_object_it_is_read_or_refused_and_what_is_read_was_said(said: dict[str, Any]) -> None:
    try:
        read = read_message(json.dumps(said))
    except BadMessage:
        return
    assert (said["type"], said["job_id"]) == (type(read).__name__.lower(), read.job_id)
    assert len(said) <= 4


@given(st.text() | VALUES.map(json.dumps))
def test_whatever_the_text_nothing_but_a_refusal_is_raised(text: str) -> None:
    with suppress(BadMessage):
        read_message(text)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["subscribe", "unsubscribe"]), "job_id": st.sampled_from([JOB, "*"])},
        optional={
            "after": st.sampled_from(["e:1", "0", 7, None]),
            "images": st.sampled_from([True, False, 1, "true"]),
            "more": st.just(""),
        },
    )
)
def test_what_is_read_is_what_the_documents_have(said: dict[str, Any]) -> None:
    shape = closed(subscription_schemas()[said["type"].capitalize()])
    is_read = True
    try:
        read_message(json.dumps(said))
    except BadMessage:
        is_read = False
    assert is_read == Draft7Validator(shape).is_valid(said)
