"""What documents tell operators is what the code says: log lines, lines at the start, names, answers, commands."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import click
import pytest

from gateway.api.schemas.components import schemas
from gateway.cli import main
from gateway.intake.settings import IntakeSettings
from gateway.settings import Role, Settings
from gateway.settings.existing_names import existing_names
from gateway.settings.sources import known_keys
from tests.documents import ROOT, documents, fences, first_words, section, tables, words

TROUBLE = ROOT / "docs" / "TROUBLESHOOTING.md"
SECURITY = ROOT / "docs" / "SECURITY.md"
SIDE_BY_SIDE = ROOT / "docs" / "guides" / "side-by-side.md"
OPERATORS = [TROUBLE, SECURITY, *sorted((ROOT / "docs" / "guides").glob("*.md"))]

EXISTING_BUT_UNUSED = {"TELEGRAM_TOKEN"}
FILES_OF_DATA = {"jobs.sqlite"}
MADE_BY_THE_READER = {"deploy/.env"}
OF_OTHERS = {"RABBITMQ_PASSWORD", "HTTP_PROXY"}
_EXISTING = re.compile(r"\b(?:RABBITMQ|MINIO|DD|WORKER|SERVER|LOG|HTTP|OPENROUTER|TELEGRAM)_[A-Z_]*[A-Z]\b")
LEAST_OF_A_TEXT = 8
"""Letters that a text must have besides what is filled in."""
_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}


def test_every_line_that_the_table_of_the_log_names_is_written_somewhere() -> None:
    assert first_words(section(TROUBLE, "What the log says")) - _events() == set()


def test_every_warning_and_error_of_the_services_is_in_the_table_of_the_log() -> None:
    """But for those that are rare and say themselves what to do, or that something is ours to mend."""
    table = first_words(section(TROUBLE, "What the log says"))
    rare = {
        "a check crashed", "a commit was not told", "a subscriber's log can't be read", "a subscription crashed",
        "analysis crashed",
        "connection does not end", "download crashed", "download cut short", "an upload was not aborted",
        "image failed", "not a key", "object storage could not clean up",
        "late result names no object", "oldest messages dropped: the queue is full", "malformed message",
        "results cut short", "service does not stop", "tagging crashed",
    }  # fmt: skip
    assert _events({"warning", "error", "exception", "critical"}) - table - rare == set()


@pytest.mark.parametrize("line", sorted(first_words(section(TROUBLE, "The gateway does not start"))))
def test_a_line_that_a_failed_start_shows_is_one_that_the_code_can_say(line: str) -> None:
    assert any(pattern.fullmatch(line) for pattern in TEXTS)


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_names_of_existing_deployments_that_a_document_names_are_understood(document: Path) -> None:
    known = {name for role in (None, *Role) for name in existing_names(role)}
    named = set(_EXISTING.findall(document.read_text()))
    assert named - known - EXISTING_BUT_UNUSED - OF_OTHERS == set()


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_keys_of_settings_that_a_document_names_exist(document: Path) -> None:
    keys = known_keys(Settings)
    sections = "|".join({key.partition(".")[0] for key in keys if "." in key})
    named = set(re.findall(rf"`((?:{sections})\.[a-z_]+)\b(?! =|\()", document.read_text()))
    assert named - set(keys) - FILES_OF_DATA == set()


def test_the_names_that_second_services_are_told_are_those_of_the_gateway_beside() -> None:
    """Of the queues: in the guide, and in the file for the gateway."""
    queues = tomllib.loads((ROOT / "config" / "side-by-side.toml").read_text())["broker"]
    analyzer, processor = (
        words("".join(row[1:]))
        for row in tables(section(SIDE_BY_SIDE, "By queue names"))
        if "second" in row[0]
    )
    assert analyzer == [queues["image_upload_queue"], queues["metadata_generated_queue"]]
    assert processor == [queues["metadata_generated_queue"], queues["image_processed_queue"]]


@pytest.mark.parametrize("document", OPERATORS, ids=lambda path: path.name)
def test_commands_of_ours_that_a_document_shows_exist(document: Path) -> None:
    for fence in fences(document):
        if fence.language == "sh":
            for line in fence.text.replace("\\\n", " ").splitlines():
                _parses_if_ours(line)


@pytest.mark.parametrize("document", OPERATORS, ids=lambda path: path.name)
def test_files_that_commands_of_a_document_take_are_there(document: Path) -> None:
    commands = " ".join(fence.text for fence in fences(document) if fence.language == "sh")
    named = set(re.findall(r"(?:deploy|config|examples)/[\w./-]+", commands))
    assert {name for name in named - MADE_BY_THE_READER if not (ROOT / name).exists()} == set()


def test_answers_of_readyz_are_shown_as_they_are() -> None:
    properties = schemas(IntakeSettings())["Readiness"]["properties"]
    shown = [json.loads(fence.text) for fence in fences(TROUBLE) if fence.language == "json"]
    whole = [answer for answer in shown if isinstance(answer, dict) and "checks" in answer]
    assert whole
    assert all(set(answer) == set(properties) for answer in whole)


@pytest.mark.parametrize(
    "warning",
    [
        line
        for fence in fences(TROUBLE)
        if fence.language == "json"
        for answer in [json.loads(fence.text)]
        for line in (answer if isinstance(answer, list) else answer.get("warnings", []))
    ],
)
def test_a_warning_that_is_shown_is_one_that_the_code_can_say(warning: str) -> None:
    assert any(pattern.fullmatch(warning) for pattern in TEXTS)


def _parses_if_ours(line: str) -> None:
    match = re.search(r"(?:^|\s)(?:\.venv/bin/gateway|python -m gateway)\s+(.*)", line)
    if match is None:
        return
    name, *rest = match[1].partition("  #")[0].split()
    command = main.get_command(click.Context(main), name)
    assert command is not None, line
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {word for word in rest if word.startswith("--")} - options == set(), line


def _events(levels: set[str] = _LOG_METHODS) -> set[str]:
    return {event for tree in TREES for event in _events_in(tree, levels)}


def _events_in(tree: ast.AST, levels: set[str]) -> Iterator[str]:
    """What `log.warning(...)` and the like are called with; a name may be any sentence of its function."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if _is_logging(call, levels):
                first = call.args[0]
                if isinstance(first, ast.Name):
                    yield from (text for text in _texts_in(function) if " " in text)
                else:
                    yield from _texts_in(first)


def _is_logging(node: ast.AST, levels: set[str]) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in levels
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
    )


def _texts_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _patterns(tree: ast.AST) -> Iterator[re.Pattern[str]]:
    """What each text of the code can become, with anything where something is filled in, and a detail behind."""
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        fixed = [str(part.value) if isinstance(part, ast.Constant) else None for part in parts]
        if sum(len(text.replace(" ", "")) for text in fixed if text) >= LEAST_OF_A_TEXT:
            yield re.compile(
                "".join(".+?" if text is None else re.escape(text) for text in fixed) + r"( \(.*\))?"
            )


TREES = [ast.parse(path.read_text()) for path in (ROOT / "gateway").rglob("*.py")]
TEXTS = [pattern for tree in TREES for pattern in _patterns(tree)]
