"""Logs: what every line carries, and what none may."""

import json
import logging
import re
import threading
from io import StringIO
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from gateway.telemetry.log_writer import LineWriter
from gateway.telemetry.logs import LogSettings, set_up_logs


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    root = logging.getLogger()
    handlers, level, of_structlog = root.handlers[:], root.level, structlog.get_config()
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        handler.close()
    root.handlers, root.level = handlers, level
    structlog.configure(**of_structlog)


class Log:
    """Logs into memory."""

    def __init__(self, stream: StringIO | None = None, **settings: Any) -> None:
        self.stream = stream or StringIO()
        self._handler = set_up_logs(LogSettings(**settings), self.stream)

    @property
    def text(self) -> str:
        self._handler.flush()
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def ours() -> Any:
    return structlog.get_logger("gateway.test")


def test_a_line_is_json_with_time_level_logger_and_event():
    log = Log()
    ours().info("image stored", size=3)
    (line,) = log.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "image stored", "level": "info", "logger": "gateway.test", "size": 3}


def test_the_ids_of_the_unit_of_work_are_on_every_line():
    log = Log()
    with bound_contextvars(job_id="j", trace_id="t"):
        ours().info("ours")
        logging.getLogger("library").warning("theirs")
    assert [(line["job_id"], line["trace_id"]) for line in log.lines] == [("j", "t"), ("j", "t")]


def test_a_library_line_looks_like_ours():
    log = Log()
    logging.getLogger("library").warning("%s of %d", "one", 2, extra={"part": 7})
    (line,) = log.lines
    assert (line["event"], line["level"], line["logger"], line["part"]) == (
        "one of 2",
        "warning",
        "library",
        7,
    )


def test_lines_below_the_level_are_left_out():
    log = Log(level="warning")
    ours().info("no")
    logging.getLogger("library").info("no")
    ours().warning("yes")
    assert [line["event"] for line in log.lines] == ["yes"]


def test_a_terminal_gets_lines_for_people():
    log = Log(Terminal())
    ours().info("hello")
    assert "hello" in log.text
    assert not log.text.startswith("{")


def test_a_terminal_gets_json_when_asked():
    log = Log(Terminal(), format="json")
    ours().info("hello")
    assert log.lines[0]["event"] == "hello"


def test_a_file_gets_lines_for_people_when_asked():
    log = Log(format="console")
    ours().info("hello")
    assert "[info" in log.text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://a.example/b.jpg?X-Signature=abc", "https://a.example/b.jpg?..."),
        ("https://me:pass@a.example/b.jpg#frag", "https://a.example/b.jpg?..."),
        ("get HTTP://a.example?q=1 and ftp://b/?r=2", "get HTTP://a.example?... and ftp://b/?..."),
        ("amqp://guest:guest@mq:5672/", "amqp://mq:5672/"),
        ("https://a.example/b.jpg", "https://a.example/b.jpg"),
        ("why? because: 1/2", "why? because: 1/2"),
        ("data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,..."),
        (["http://a/?b"], ["http://a/?..."]),
        ({"url": "http://a/?b", "token": "t"}, {"url": "http://a/?...", "token": "***"}),
        (ValueError("http://a/?b"), "http://a/?..."),
    ],
)
def test_no_password_or_query_string_of_a_url_is_logged(value, shown):
    log = Log()
    ours().info("fetched", value=value)
    assert log.lines[0]["value"] == shown


def test_a_url_in_the_event_or_in_a_traceback_is_cut_too():
    log = Log()
    try:
        raise ValueError("http://a.example/?secret")
    except ValueError:
        ours().exception("http://a.example/?secret")
    assert "secret" not in log.text
    assert "Traceback" in log.lines[0]["exception"]


SECRET = "hidden"


class Costly:
    """Much to show, and nobody may see it."""

    def __init__(self) -> None:
        self.times_shown = 0

    def __repr__(self) -> str:
        self.times_shown += 1
        return SECRET


@pytest.mark.parametrize("logger", [structlog.get_logger("gateway.test"), logging.getLogger("library")])
@pytest.mark.parametrize("settings", [{"format": "json"}, {"format": "console"}])
def test_a_traceback_shows_no_variables(settings: dict[str, Any], logger: Any):
    log, costly = Log(Terminal(), **settings), Costly()

    def crash(engine: object, sent: str) -> None:
        raise ValueError("bug")

    try:
        crash([costly] * 1000, SECRET * 1_000_000)
    except ValueError:
        logger.exception("crashed")
    assert "ValueError: bug" in log.text
    assert "in crash" in log.text
    assert SECRET not in log.text
    assert costly.times_shown == 0


def test_of_a_long_traceback_beginning_and_end_are_told():
    log = Log()
    try:
        try:
            raise KeyError("first", "x" * 100_000)
        finally:
            raise ValueError("last")
    except ValueError:
        ours().exception("crashed")
    (line,) = log.lines
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: last")
    assert len(line["exception"]) <= 20_000


@pytest.mark.parametrize("before", range(0, 60, 3))
def test_wherever_a_long_traceback_is_cut_no_query_string_is_told(before: int):
    log = Log()
    addresses = "\n".join(f"http://a.example/{number}?signature={SECRET}" for number in range(2000))
    text = f"Traceback:\n{'-' * before}\n{addresses}\nValueError: last"
    ours().error("crashed", exception=text)
    assert SECRET not in log.text
    assert log.lines[0]["exception"].endswith("ValueError: last")


@pytest.mark.parametrize(
    "name",
    ["password", "minio_secret_key", "access_key", "Authorization", "api-key", "telegram_token", "cookie"],
)
def test_a_value_with_a_telling_name_is_masked(name):
    log = Log()
    ours().info("configured", **{name: "hidden"})
    assert log.lines[0][name] == "***"


def test_a_long_value_is_cut():
    log = Log()
    ours().info("body", body="x" * 1_000_000)
    assert len(log.text) < 3_000


def test_a_client_that_left_is_no_error():
    log = Log()
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=ConnectionResetError("left"))
    assert log.text == ""


def test_a_client_that_left_has_no_traceback_even_for_debugging():
    log = Log(level="debug")
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=ConnectionResetError("left"))
    (line,) = log.lines
    assert (line["level"], "exception" in line) == ("debug", False)


def test_a_crash_in_a_handler_keeps_its_traceback():
    log = Log()
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=KeyError("bug"))
    assert "KeyError" in log.lines[0]["exception"]


def test_a_name_from_outside_makes_no_line_of_its_own_on_a_terminal():
    log = Log(Terminal())
    ours().info("stored a\n[error] forged \x1b[2J", name="b\n[error] forged \x1b[2J")
    assert len(log.text.splitlines()) == 1
    assert "\x1b[2J" not in log.text


class Stuck(StringIO):
    """A reader who stopped reading."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_who_went_away_stops_nothing():
    log = Log(Stuck())
    ours().info("one")
    assert log.text == ""


def test_lines_that_find_no_room_are_counted():
    go_on = threading.Event()

    class Slow(StringIO):
        def write(self, text: str) -> int:
            go_on.wait(10)
            return super().write(text)

    stream = Slow()
    writer = LineWriter(stream, queued_lines=5)
    for number in range(500):
        writer.emit(logging.makeLogRecord({"msg": f"line {number}"}))
    go_on.set()
    writer.close()
    kept = [line for line in stream.getvalue().splitlines() if line.startswith("line")]
    dropped = re.findall(r'"event": "(\d+) log lines were dropped"', stream.getvalue())
    assert sum(map(int, dropped)) == 500 - len(kept) > 0
