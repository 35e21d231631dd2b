"""Each kind of error has its status; a kind that nobody thought of is a crash."""

import inspect
import json

import orjson
import pytest

from gateway import errors
from gateway.api.problems import STATUS_OF_KIND, of_error, problem, status_of
from gateway.errors import BadInput, Fault, GatewayError, RangeRefused


def test_every_kind_has_a_status() -> None:
    kinds = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, GatewayError) and kind is not GatewayError
    }
    assert kinds == set(STATUS_OF_KIND)


def test_a_leaf_has_the_status_of_its_nearest_kind() -> None:
    class Leaf(errors.Unprocessable):
        """Which is a BadInput too."""

    assert status_of(Leaf) == 422


def test_a_kind_of_no_meaning_to_clients_is_a_crash_that_tells_nothing() -> None:
    class Inner(GatewayError):
        """Of no kind."""

    answer = of_error(Inner("secret"))
    assert answer.status == 500
    assert b"secret" not in bytes(answer.body)  # type: ignore[arg-type]


def test_faults_are_listed_with_their_places() -> None:
    error = BadInput("two things are wrong", faults=[Fault("/images/0/url", "bad_url", "no host")])
    problem = orjson.loads(bytes(of_error(error).body))  # type: ignore[arg-type]
    assert problem["errors"] == [{"pointer": "/images/0/url", "code": "bad_url", "detail": "no host"}]


def test_a_refused_range_tells_the_size() -> None:
    assert of_error(RangeRefused("none", size=7)).headers["Content-Range"] == "bytes */7"


@pytest.mark.parametrize("kind", [kind for kind in STATUS_OF_KIND if kind is not RangeRefused])
def test_older_clients_read_error_and_status(kind: type[GatewayError]) -> None:
    problem = orjson.loads(bytes(of_error(kind("what was wrong")).body))  # type: ignore[arg-type]
    assert problem["error"] == "what was wrong"
    assert problem["status"] == STATUS_OF_KIND[kind]


def test_a_text_that_quotes_any_bytes_is_told_without_those_that_nobody_can_read() -> None:
    quoted = b"no \x00\x1b[2J\xff/\xfe".decode("utf-8", "surrogateescape")
    told = orjson.loads(bytes(of_error(errors.UnsupportedMedia(quoted)).body))  # type: ignore[arg-type]
    assert told["error"] == told["detail"] == "no   [2J?/?"


def test_so_are_the_faults_of_parts() -> None:
    quoted = "\udcff\x07"
    error = BadInput("one thing is wrong", faults=[Fault(quoted, "bad_url", quoted)])
    told = orjson.loads(bytes(of_error(error).body))  # type: ignore[arg-type]
    assert told["errors"] == [{"pointer": "? ", "code": "bad_url", "detail": "? "}]


@pytest.mark.parametrize("value", [{"\udcff"}, "\udcff", object(), 2**70])
def test_a_member_that_is_no_json_does_not_keep_the_answer_back(value: object) -> None:
    answer = problem(500, "What was wrong.", "internal", members={"more": value})
    assert json.loads(bytes(answer.body))["error"] == "What was wrong."  # type: ignore[arg-type]
