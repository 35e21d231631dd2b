"""The documents agree with the code: codes, statuses, fields, endpoints, settings, folders; links lead somewhere."""

import ast
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from attrs import asdict

from gateway.api import problems
from gateway.api.live.close_codes import CATALOGUE
from gateway.api.live.http.wires import RETRY_MS
from gateway.api.live.websocket.door import MAX_MESSAGE_BYTES
from gateway.api.live.websocket.subscriptions import MOST_BAD_MESSAGES
from gateway.api.openapi.document import document
from gateway.api.preferences import LONGEST_WAIT_S
from gateway.api.schemas.components import schemas
from gateway.api.schemas.events import event_schemas
from gateway.api.schemas.subscriptions import CODES, subscription_schemas
from gateway.events.board.board import LISTED
from gateway.events.board.places import MOST_PLACES
from gateway.events.peer import STALLED_S
from gateway.events.settings import SubscriberSettings
from gateway.failure_codes import FAILURE_CODES
from gateway.intake.settings import IntakeSettings
from gateway.settings import Settings
from gateway.settings.sources import OTHER_GATEWAY_NAMES, known_keys, variable_name
from tests.documents import (
    API,
    README,
    ROOT,
    anchors,
    documents,
    examples,
    fences,
    first_words,
    links,
    section,
    tables,
    words,
)
from tests.shown_answers import HttpAnswer

GATEWAY = ROOT / "gateway"
EVENTS = ("Opening", "Progress", "ImageComplete", "JobComplete")
OF_SERVER = problems._OF_SERVER  # noqa: SLF001 - read, not used
INDEX = ROOT / "docs" / "README.md"
INSIDE = {
    "already_answered", "bad_key", "bad_settings", "can_not_start", "conflict", "helper_died", "helper_timeout",
    "hopeless", "job_store_unusable", "malformed_message", "source_gone", "too_many", "unroutable",
}  # fmt: skip
"""Codes that no client sees: of messages, of helpers, of the start, and kinds that are raised as leaves alone."""


def test_the_table_of_image_codes_has_those_of_the_contract() -> None:
    assert first_words(section(API, "Codes of images")) == set(FAILURE_CODES)


def test_the_tables_of_codes_have_every_code_that_the_source_gives_to_clients() -> None:
    tables_of_codes = ("Codes of requests", "Codes of images", "Codes of subscriptions")
    documented = set().union(*(first_words(section(API, heading)) for heading in tables_of_codes))
    assert {*_codes_in_source(), *FAILURE_CODES} - INSIDE == documented


def test_the_table_of_codes_of_subscriptions_has_those_of_the_schema() -> None:
    assert first_words(section(API, "Codes of subscriptions")) == set(CODES)


def test_the_table_of_status_codes_has_every_one_that_the_api_gives() -> None:
    given = {*problems.STATUS_OF_KIND.values(), *OF_SERVER, HTTPStatus.INTERNAL_SERVER_ERROR}
    assert {int(row[0]) for row in tables(section(API, "Status codes"))} == {int(status) for status in given}


def test_each_code_of_a_request_stands_with_a_status_of_the_table() -> None:
    statuses = {row[0] for row in tables(section(API, "Status codes"))}
    assert {row[1] for row in tables(section(API, "Codes of requests"))} <= statuses


def test_the_table_of_endpoints_has_every_path_of_the_openapi_document() -> None:
    named = {word.split()[-1] for row in tables(section(API, "Endpoints")) for word in words(" ".join(row))}
    assert named == set(document(IntakeSettings())["paths"])


@pytest.mark.parametrize(
    ("heading", "schema"),
    [
        ("Fields of a job", "Batch"),
        ("Fields of an image", "Image"),
        ("List", "BatchPage"),
        ("Dead letters", "DeadLetter"),
        ("Errors", "Problem"),
    ],
)
def test_a_table_of_fields_has_those_of_the_schema(heading: str, schema: str) -> None:
    fields = {word for row in tables(section(API, heading)) if len(row) == 4 for word in words(row[0])}
    assert fields == set(schemas(IntakeSettings())[schema]["properties"])


def test_the_table_of_frame_fields_has_those_of_every_event() -> None:
    fields = {word for row in tables(section(API, "Events")) for word in words(row[0])}
    events = {name: shape for name, shape in event_schemas().items() if name in EVENTS}
    assert fields == {name for shape in events.values() for name in shape["properties"]}


def test_the_table_of_openings_has_what_an_opening_has_more_than_another_progress() -> None:
    fields = {word for row in tables(section(API, "Openings")) if len(row) == 3 for word in words(row[0])}
    events = event_schemas()
    assert fields == set(events["Opening"]["properties"]) - set(events["Progress"]["properties"])


def test_the_table_of_messages_about_all_jobs_has_the_fields_of_each() -> None:
    rows = {words(row[0])[0]: {*words(row[1]), "type"} for row in tables(section(API, "All jobs"))}
    shapes = subscription_schemas()
    for kind, shape in (("jobs", "Jobs"), ("job_changed", "JobChanged"), ("job_deleted", "JobDeleted")):
        assert set(shapes[shape]["properties"]) <= rows.pop(kind)
    assert not rows


def test_the_messages_of_a_connection_for_many_jobs_are_shown_with_the_fields_of_the_schema() -> None:
    rows = tables(section(API, "Many jobs on one connection"))
    shown = {message["type"]: message for message in (json.loads(row[0].strip("`")) for row in rows)}
    kinds = ("Subscribe", "Unsubscribe", "Subscribed", "Unsubscribed", "SubscriptionError")
    shapes = [subscription_schemas()[kind] for kind in kinds]
    assert len(shown) == len(shapes)
    for shape in shapes:
        fields = set(shown[shape["properties"]["type"]["const"]])
        assert set(shape["required"]) <= fields <= set(shape["properties"])


def test_the_table_of_close_codes_has_those_of_the_catalogue() -> None:
    told = {
        int(code): row[2].startswith("yes")
        for row in tables(section(API, "Close codes"))
        for code in row[0].split(", ")
    }
    assert told == {code: close.come_back for code, close in CATALOGUE.items()}


def test_the_table_of_followers_has_every_bound_with_its_default() -> None:
    told = {words(row[2])[0]: int(row[1]) for row in tables(section(API, "How many may follow"))}
    settings = asdict(SubscriberSettings())
    assert told == {
        f"subscribers.{name}": value for name, value in settings.items() if name.startswith("max")
    }


@pytest.mark.parametrize(
    ("heading", "figure"),
    [
        ("Heartbeats", f"({SubscriberSettings().heartbeat_s:.0f} by default, `subscribers.heartbeat_s`)"),
        ("Slow readers", f"takes nothing at all for {STALLED_S:.0f} seconds"),
        ("Server-sent events", f"a browser pauses: {RETRY_MS / 1000:.0f} seconds"),
        ("Long poll", f"`wait` (1 to {LONGEST_WAIT_S}) seconds"),
        ("Many jobs on one connection", f"at most {MAX_MESSAGE_BYTES} bytes"),
        ("Codes of subscriptions", f"; {MOST_BAD_MESSAGES} in a row close"),
        ("All jobs", f"the newest {LISTED} jobs"),
        ("All jobs", f"of the {MOST_PLACES} jobs that changed last"),
    ],
)
def test_the_figures_of_followers_are_those_of_the_code(heading: str, figure: str) -> None:
    assert figure in " ".join(section(API, heading).split())


def test_an_error_is_shown_for_every_status() -> None:
    shown = {int(answer.status_line.split()[1]) for answer in _problems_shown()}
    assert shown == {int(row[0]) for row in tables(section(API, "Status codes"))}


def test_an_error_that_is_shown_has_the_members_of_a_problem_and_a_code_of_its_status() -> None:
    schema = schemas(IntakeSettings())["Problem"]
    codes = {(word, row[1]) for row in tables(section(API, "Codes of requests")) for word in words(row[0])}
    for answer in _problems_shown():
        body = json.loads(answer.body)
        assert set(schema["required"]) <= set(body) <= set(schema["properties"])
        assert answer.status_line == f"HTTP/1.1 {body['status']} {body['title']}"
        assert HTTPStatus(body["status"]).phrase == body["title"]
        assert (body["code"], str(body["status"])) in codes


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert [link for link in links(path) if not _leads_somewhere(path, link)] == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_settings_that_a_document_names_exist(path: Path) -> None:
    known = {variable_name(key) for key in known_keys(Settings)} | OTHER_GATEWAY_NAMES
    named = set(re.findall(r"\bGATEWAY_[A-Z_]+[A-Z]\b", path.read_text()))
    assert named - known == set()


def test_the_settings_of_limits_exist() -> None:
    named = {word for row in tables(section(API, "Limits")) for word in words(row[2])}
    assert named
    assert named - set(known_keys(Settings)) == set()


def test_the_index_leads_to_every_document() -> None:
    found = {(INDEX.parent / link.partition("#")[0]).resolve() for link in links(INDEX)}
    assert set(documents()) - found - {INDEX} == set()


def test_the_readme_has_every_folder_and_module() -> None:
    packages = {f"gateway/{path.parent.name}/" for path in GATEWAY.glob("*/__init__.py")}
    folders = {
        f"{name}/"
        for name in ("config", "deploy", "docs", "examples", "requirements", "tests", "tools", "typings")
    }
    modules = {f"gateway/{path.name}" for path in GATEWAY.glob("[a-z]*.py")}
    assert first_words(section(README, "Source tree")) == packages | modules | folders | {"gateway/"}


@pytest.mark.parametrize("language", ["bash", "javascript", "python"])
def test_the_api_has_examples_in_every_language(language: str) -> None:
    assert sum(example.code.language == language for example in examples(API)) > 5


def _problems_shown() -> list[HttpAnswer]:
    answers = [HttpAnswer.parse(fence.text) for fence in fences(API) if fence.language == "http"]
    return [answer for answer in answers if "problem" in answer.headers.get("content-type", "")]


def _leads_somewhere(path: Path, link: str) -> bool:
    if link.startswith("https://"):
        return True
    file, _, anchor = link.partition("#")
    target = (path.parent / file) if file else path
    return target.exists() and (not anchor or anchor in anchors(target))


def _codes_in_source() -> Iterator[str]:
    yield from (code for code, _ in OF_SERVER.values())
    for path in GATEWAY.rglob("*.py"):
        if "client" not in path.parts:
            yield from _codes_in(ast.parse(path.read_text()))


def _codes_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        for value in _values_that_are_codes(node):
            yield from (
                part.value
                for part in ast.walk(value)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )


def _values_that_are_codes(node: ast.AST) -> Iterator[ast.expr]:
    """`code=...`, the codes of Fault and Failure, and the `default_code` of a kind of error."""
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")
        place = {"Failure": 0, "Fault": 1}.get(getattr(node.func, "id", ""))
        if place is not None and len(node.args) > place:
            yield node.args[place]
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(getattr(target, "id", "") == "default_code" for target in targets):
            yield node.value
