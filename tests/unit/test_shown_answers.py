"""An answer that is shown and is none is found out: these hold the tests of the documents to their word."""

import pytest

from tests.shown_answers import lies, lies_of_http, lies_of_json

JOB = {
    "job_id": "550e8400-e29b-41d4-a716-446655440000",
    "status": "completed",
    "progress": 100.0,
    "images": [],
}
HTTP = 'HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nETag: "1"\r\n\r\n{"code": "not_ready"}'


def test_an_answer_with_other_ids_times_and_numbers_is_true() -> None:
    other = JOB | {"job_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2", "progress": 50}
    assert lies(JOB, other) == []


@pytest.mark.parametrize(
    ("shown", "lie"),
    [
        (JOB | {"speed": 1}, "/speed is not there"),
        ({name: value for name, value in JOB.items() if name != "images"}, "/images is there, but not shown"),
        (JOB | {"progress": "100"}, "/progress is number, not text"),
        (JOB | {"job_id": "one"}, "/job_id is uuid, not text"),
        (JOB | {"status": "done"}, "/status is 'completed', not 'done'"),
        (JOB | {"images": [{"index": 0}]}, "/images is empty"),
        (JOB | {"progress": None}, "/progress is number, not NoneType"),
    ],
)
def test_a_lie_is_named_by_its_path(shown: object, lie: str) -> None:
    assert lies(shown, JOB) == [lie]


def test_texts_may_differ_in_their_numbers() -> None:
    shown = {"detail": "The body has 70 bytes."}
    assert lies(shown, {"detail": "The body has 8 bytes."}) == []
    assert lies(shown, {"detail": "the body has 70 bytes"}) == [
        "/detail is 'the body has 70 bytes', not 'The body has 70 bytes.'"
    ]


def test_a_text_about_an_open_image_is_true_in_each_of_the_open_states() -> None:
    shown = {"detail": "Image 0 is still processing: it has no processed image yet."}
    assert lies(shown, {"detail": "Image 0 is still pending: it has no processed image yet."}) == []
    assert lies(shown, {"detail": "Image 0 is still failed: it has no processed image yet."}) != []


def test_lists_of_one_length_are_compared_member_by_member() -> None:
    assert lies([{"code": "a"}, {"code": "b"}], [{"code": "a"}, {"code": "c"}]) == ["/1/code is 'c', not 'b'"]


def test_a_shorter_list_shows_some_of_the_members() -> None:
    assert lies([{"code": "b"}], [{"code": "a"}, {"code": "b"}]) == []
    assert lies([{"code": "c"}], [{"code": "a"}, {"code": "b"}]) != []


def test_each_document_shown_must_have_been_printed() -> None:
    printed = 'progress {"type": "progress"}\n{"type": "job_complete"}'
    assert lies_of_json('{"type": "job_complete"}', printed) == []
    assert lies_of_json('{"type": "progress"}{"type": "image_complete"}', printed) != []


def test_what_prints_no_json_shows_none() -> None:
    assert lies_of_json('{"type": "progress"}', "curl: (7)") == ["no JSON was printed, but 'curl: (7)'"]


def test_an_http_answer_is_compared_by_status_line_headers_and_body() -> None:
    after_continue = f"HTTP/1.1 100 Continue\r\n\r\n{HTTP}"
    assert lies_of_http(HTTP.replace('"1"', '"2"'), after_continue) == []


@pytest.mark.parametrize(
    ("truth", "lie"),
    [
        ("409 Conflict", "200 OK"),
        ("application/json", "text/html"),
        ("ETag", "Etagere"),
        ("not_ready", "ready"),
    ],
)
def test_a_lie_about_an_http_answer_is_found(truth: str, lie: str) -> None:
    assert lies_of_http(HTTP.replace(truth, lie), HTTP) != []


STREAM = 'HTTP/1.1 200 OK\r\n\r\nretry: 2000\nid: a:1\nevent: progress\ndata: {"id": "a:1"}\n\n'


def test_an_event_of_a_stream_may_have_another_id() -> None:
    assert lies_of_http(STREAM.replace("a:1", "b:7"), STREAM) == []


@pytest.mark.parametrize("wrong", [("retry: 2000", "retry: 1"), ("progress", "message"), ("id: a:1\n", "")])
def test_what_stands_beside_the_data_of_an_event_is_held_to_what_was_printed(wrong: tuple[str, str]) -> None:
    (lie,) = lies_of_http(STREAM.replace(*wrong), STREAM)
    assert lie.startswith("no event has ")
