"""What the HTTP server does not guard, of bodies that are sent: their size, their pace, their packing, their places."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from gateway.api.bodies.sent_body import sent_body
from gateway.api.connections.crowd import ConnectionBounds
from gateway.api.connections.runner import Runner
from gateway.api.cors import CrossOrigin
from gateway.api.problems import answer_errors
from gateway.intake.settings import IntakeSettings
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import ConnectionMetrics
from tests.patience import PATIENCE_S
from tests.pictures import plain
from tests.servers.application import listening
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.raw_http import Line, chunk, connection, head

BATCH = "/api/v1/batch"
RETRY = f"{BATCH}/550e8400-e29b-41d4-a716-446655440000/retry"
JPEG = plain("JPEG")
URLS = orjson.dumps({"images": [{"url": "https://example.com/a.jpg"}]})
MAX_BODY = 4000
MB = 1024 * 1024

AS_JPEG = ("Content-Type", "image/jpeg")
AS_JSON = ("Content-Type", "application/json")
PACKED = ("Content-Encoding", "gzip")
CHUNKED = ("Transfer-Encoding", "chunked")
ASKED_FIRST = ("Expect", "100-continue")


Serve = Callable[[IntakeSettings], Awaitable[int]]
"""Starts a server with these settings; its port."""


def of_length(length: int) -> tuple[str, object]:
    return ("Content-Length", length)


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """Small bodies, one at a time."""
    intake = IntakeSettings(max_body_bytes=MAX_BODY, max_requests=1)
    async with quiet_gateway(tmp_path, intake=intake) as gateway:
        yield gateway


@pytest.fixture
async def hurried(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """No patience with senders."""
    intake = IntakeSettings(silence_s=0.3, grace_s=0.2, min_bytes_per_s=50_000)
    async with quiet_gateway(tmp_path, intake=intake) as gateway:
        yield gateway


async def kept(gateway: QuietGateway) -> tuple[int, list[str]]:
    """Jobs and files."""
    async with gateway.http.get(BATCH) as answer:
        return (await answer.json())["total"], gateway.stored_files()


async def code_of(gateway: QuietGateway, *request: bytes) -> tuple[int, str]:
    """Status and code of the answer to what is no batch."""
    async with connection(gateway.port) as line:
        await line.send(*request)
        answer = await line.answer()
        return answer.status, answer.json["code"]


async def is_let_in(line: Line, *headers: tuple[str, object]) -> None:
    """A request stands in its place, and its body is still to come."""
    await line.send(head("POST", BATCH, *headers, ASKED_FIRST))
    assert (await line.answer()).status == 100


class TestSize:
    @pytest.mark.parametrize("media_type", [AS_JSON, AS_JPEG])
    async def test_a_declared_length_over_the_bound_is_413_before_the_body(
        self, narrow: QuietGateway, media_type: tuple[str, object]
    ) -> None:
        async with connection(narrow.port) as line:
            await line.send(head("POST", BATCH, media_type, of_length(MAX_BODY + 1)))
            answer = await line.answer()
        assert (answer.status, answer.json["code"], answer.headers["connection"]) == (
            413,
            "too_large",
            "close",
        )

    async def test_the_body_of_a_retry_has_a_smaller_bound(self, quiet: QuietGateway) -> None:
        request = head("POST", RETRY, AS_JSON, of_length(64 * 1024 + 1))
        assert await code_of(quiet, request) == (413, "too_large")

    async def test_an_undeclared_size_over_the_bound_is_413(self, narrow: QuietGateway) -> None:
        body = chunk(JPEG + bytes(MAX_BODY))
        assert await code_of(narrow, head("POST", BATCH, AS_JPEG, CHUNKED), body) == (413, "too_large")
        assert await kept(narrow) == (0, [])


class TestPace:
    async def test_silence_is_408(self, hurried: QuietGateway) -> None:
        async with connection(hurried.port) as line:
            await line.send(head("POST", BATCH, AS_JSON, of_length(100)), b"{")
            answer = await line.answer()
        assert (answer.status, answer.json["code"], answer.headers["connection"]) == (
            408,
            "too_slow",
            "close",
        )

    @pytest.mark.parametrize("packing", [(), (PACKED,)], ids=["as it is", "packed"])
    async def test_a_trickle_is_408(
        self, hurried: QuietGateway, packing: tuple[tuple[str, object], ...]
    ) -> None:
        """Packed, it may well unpack to enough: what counts is what comes."""
        body = gzip.compress(b" " * 2000) if packing else b" " * 2000
        async with connection(hurried.port) as line, asyncio.timeout(PATIENCE_S):
            await line.send(head("POST", BATCH, AS_JSON, *packing, CHUNKED))
            answer = asyncio.create_task(line.answer())
            for at in count():
                if answer.done():
                    break
                await line.send(chunk(body[at : at + 1] or b" "))
                await asyncio.sleep(0.02)
            assert (await answer).status == 408

    async def test_a_body_that_takes_too_long_in_all_is_408(self, tmp_path: Path) -> None:
        async with (
            quiet_gateway(tmp_path, intake=IntakeSettings(total_s=0.3)) as gateway,
            connection(gateway.port) as line,
            asyncio.timeout(PATIENCE_S),
        ):
            await line.send(head("POST", BATCH, AS_JSON, CHUNKED))
            answer = asyncio.create_task(line.answer())
            while not answer.done():
                await line.send(chunk(b" " * 1000))
                await asyncio.sleep(0.02)
            assert (await answer).status == 408

    async def test_broken_framing_is_no_batch(self, hurried: QuietGateway) -> None:
        async with connection(hurried.port) as line:
            await line.send(head("POST", BATCH, AS_JSON, CHUNKED), chunk(b"{}"), b"zzz\r\n")
            assert (await line.answer()).status in (400, 408)

    async def test_who_leaves_in_the_middle_leaves_nothing_behind(self, quiet: QuietGateway) -> None:
        async with asyncio.timeout(PATIENCE_S):
            async with connection(quiet.port) as line:
                await line.send(head("POST", BATCH, AS_JPEG, of_length(2 * MB)), JPEG + bytes(MB))
                while not quiet.stored_files():
                    await asyncio.sleep(0.01)
            while quiet.stored_files():
                await asyncio.sleep(0.01)
        assert await kept(quiet) == (0, [])


class TestPaceOfOurs:
    """The reader of a body is far slower than its sender may be."""

    LENGTH = 3 * MB

    @pytest.fixture
    async def serve(self) -> AsyncIterator[Serve]:
        async with AsyncExitStack() as stack:

            async def serve(intake: IntakeSettings) -> int:
                async def read_slowly(request: web.Request) -> web.Response:
                    size, pause_s = 0, 1.5
                    async for piece in sent_body(request, intake, self.LENGTH):
                        size += len(piece)
                        await asyncio.sleep(pause_s)
                        pause_s = 0.2
                    return web.Response(text=f"{size}")

                application = web.Application(middlewares=[answer_errors])
                application.router.add_post("/", read_slowly)
                runner = Runner(
                    application,
                    CrossOrigin(),
                    ConnectionBounds(),
                    ConnectionMetrics(Instruments()),
                    access_log=None,
                )
                return await stack.enter_async_context(listening(runner))

            yield serve

    async def test_a_sender_that_is_held_up_by_us_is_never_blamed_for_it(self, serve: Serve) -> None:
        port = await serve(IntakeSettings(silence_s=1, grace_s=1, min_bytes_per_s=100 * MB))
        async with connection(port) as line:
            await line.send(head("POST", "/", of_length(self.LENGTH)), bytes(self.LENGTH))
            answer = await line.answer()
        assert (answer.status, answer.body) == (200, b"%d" % self.LENGTH)

    async def test_a_body_that_we_are_at_for_too_long_is_503(self, serve: Serve) -> None:
        """No longer is kept what was stored for a request."""
        port = await serve(IntakeSettings(total_s=0.5))
        async with connection(port) as line:
            await line.send(head("POST", "/", of_length(self.LENGTH)), bytes(self.LENGTH))
            answer = await line.answer()
        assert (answer.status, answer.json["code"]) == (503, "unavailable")


class TestPacked:
    @pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
    @pytest.mark.parametrize(("media_type", "body"), [(AS_JSON, URLS), (AS_JPEG, JPEG)], ids=["JSON", "raw"])
    async def test_a_packed_body_is_taken(
        self, quiet: QuietGateway, coding: str, media_type: tuple[str, object], body: bytes
    ) -> None:
        body = gzip.compress(body)
        async with connection(quiet.port) as line:
            packing = ("Content-Encoding", coding)
            await line.send(head("POST", BATCH, media_type, packing, of_length(len(body))), body)
            assert (await line.answer()).status == 201

    async def test_a_packed_form_is_taken(self, quiet: QuietGateway) -> None:
        part = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a.jpg"\r\n\r\n%b\r\n--b--\r\n'
        body = gzip.compress(part % JPEG)
        async with connection(quiet.port) as line:
            as_form = ("Content-Type", "multipart/form-data; boundary=b")
            await line.send(head("POST", BATCH, as_form, PACKED, of_length(len(body))), body)
            assert (await line.answer()).status == 201
        assert len(quiet.stored_files()) == 1

    @pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "aaaa"])
    async def test_another_coding_is_415_and_told_which_one_is_taken(
        self, quiet: QuietGateway, coding: str
    ) -> None:
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, AS_JSON, ("Content-Encoding", coding), of_length(2)))
            answer = await line.answer()
        assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
        assert answer.headers["accept-encoding"] == "gzip"

    async def test_what_is_no_gzip_is_400_and_nothing_is_kept(self, quiet: QuietGateway) -> None:
        packed = gzip.compress(JPEG)
        for body in (JPEG, packed[:-1], packed + b"more"):
            request = head("POST", BATCH, AS_JPEG, PACKED, of_length(len(body)))
            assert await code_of(quiet, request, body) == (400, "bad_content_coding")
        assert await kept(quiet) == (0, [])

    async def test_the_bound_is_on_what_it_unpacks_to(self, narrow: QuietGateway) -> None:
        body = gzip.compress(JPEG + bytes(MAX_BODY))
        assert len(body) < MAX_BODY
        request = head("POST", BATCH, AS_JPEG, PACKED, of_length(len(body)))
        assert await code_of(narrow, request, body) == (413, "too_large")
        assert await kept(narrow) == (0, [])

    async def test_a_bomb_is_413_and_nothing_is_kept(self, quiet: QuietGateway) -> None:
        """A hundred megabytes of blanks before the document."""
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        body = (
            b"".join(packer.compress(b" " * MB) for _ in range(100)) + packer.compress(URLS) + packer.flush()
        )
        request = head("POST", BATCH, AS_JSON, PACKED, of_length(len(body)))
        assert await code_of(quiet, request, body) == (413, "too_large")
        assert await kept(quiet) == (0, [])

    async def test_a_retry_is_taken_packed_too(self, quiet: QuietGateway) -> None:
        body = gzip.compress(b'{"images": "all"}')
        request = head("POST", RETRY, AS_JSON, PACKED, of_length(len(body)))
        assert await code_of(quiet, request, body) == (400, "wrong_type")


REFUSED_BY_ITS_HEAD = {
    "length": (BATCH, [AS_JPEG, of_length(MAX_BODY + 1)], 413, "too_large"),
    "coding": (BATCH, [AS_JSON, ("Content-Encoding", "br"), of_length(2)], 415, "unsupported_media_type"),
    "media type": (BATCH, [("Content-Type", "image/gif"), of_length(2)], 415, "unsupported_media_type"),
    "key": (BATCH, [AS_JSON, of_length(2), ("Idempotency-Key", "")], 400, "bad_idempotency_key"),
    "parameter": (f"{BATCH}?strict=1", [AS_JSON, of_length(2)], 400, "bad_parameter"),
    "slip": (f"{BATCH}?Strict=true", [AS_JSON, of_length(2)], 400, "unknown_parameter"),
    "options": (f"{BATCH}?options=x", [AS_JSON, of_length(2)], 400, "not_json"),
    "job": (f"{BATCH}/nobody/retry", [AS_JSON, of_length(2)], 404, "job_not_found"),
    "address": ("/no/such/address", [AS_JSON, of_length(2)], 404, "not_found"),
    "method": ("/healthz", [AS_JSON, of_length(2)], 405, "method_not_allowed"),
    "expectation": (BATCH, [AS_JSON, of_length(2), ("Expect", "a-miracle")], 417, "expectation_failed"),
}


class TestRefusedByTheHead:
    """Before a byte of the body, and the same to who sends it unasked and to who waits to be asked."""

    @pytest.mark.parametrize("expectation", [[], [ASKED_FIRST]], ids=["unasked", "asked"])
    @pytest.mark.parametrize("why", REFUSED_BY_ITS_HEAD)
    async def test_it_is_refused_at_once(
        self, narrow: QuietGateway, why: str, expectation: list[tuple[str, object]]
    ) -> None:
        path, headers, status, code = REFUSED_BY_ITS_HEAD[why]
        async with connection(narrow.port) as line:
            await line.send(head("POST", path, *headers, *expectation))
            answer = await line.answer()
        assert (answer.status, answer.json["code"]) == (status, code)
        assert answer.headers["connection"] == "close"

    @pytest.mark.parametrize("expectation", [[], [ASKED_FIRST]], ids=["unasked", "asked"])
    async def test_more_requests_than_places_are_503_and_told_when_to_come_again(
        self, narrow: QuietGateway, expectation: list[tuple[str, object]]
    ) -> None:
        async with connection(narrow.port) as first, connection(narrow.port) as second:
            await is_let_in(first, AS_JPEG, of_length(len(JPEG)))
            await second.send(head("POST", BATCH, AS_JPEG, of_length(len(JPEG)), *expectation))
            answer = await second.answer()
            assert (answer.status, answer.json["code"]) == (503, "busy")
            assert int(answer.headers["retry-after"]) > 0
            await first.send(JPEG)
            assert (await first.answer()).status == 201
        async with connection(narrow.port) as third:
            await third.send(head("POST", BATCH, AS_JPEG, of_length(len(JPEG))), JPEG)
            assert (await third.answer()).status == 201

    async def test_while_images_wait_for_memory_a_request_is_503(self, quiet: QuietGateway) -> None:
        in_flight = quiet.context.bytes_in_flight
        share = in_flight.share(in_flight.max_bytes)
        await share.grow(in_flight.max_bytes)
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, AS_JPEG, of_length(len(JPEG))))
            answer = await line.answer()
        assert (answer.status, answer.json["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        share.give_back()
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, AS_JPEG, of_length(len(JPEG))), JPEG)
            assert (await line.answer()).status == 201

    async def test_what_no_later_try_makes_good_is_told_before_that_there_is_no_place(
        self, narrow: QuietGateway
    ) -> None:
        async with connection(narrow.port) as first:
            await is_let_in(first, AS_JPEG, of_length(len(JPEG)))
            for path, headers, status, code in REFUSED_BY_ITS_HEAD.values():
                assert await code_of(narrow, head("POST", path, *headers)) == (status, code)

    async def test_a_gateway_that_stops_takes_no_more(self, quiet: QuietGateway) -> None:
        quiet.context.background.ask_to_stop()
        request = head("POST", BATCH, AS_JSON, of_length(len(URLS)), ASKED_FIRST)
        assert await code_of(quiet, request) == (503, "stopping")

    async def test_a_request_that_expects_what_is_not_met_is_counted_as_others(
        self, quiet: QuietGateway
    ) -> None:
        assert await code_of(quiet, head("GET", BATCH, ("Expect", "a-miracle"))) == (
            417,
            "expectation_failed",
        )
        labels = {"method": "GET", "route": BATCH, "status": "4xx"}
        registry = quiet.context.metrics.instruments.registry
        assert registry.get_sample_value("gateway_http_requests_total", labels) == 1

    @pytest.mark.parametrize("expected", [("100-Continue",), ("100-continue", "100-continue, ")])
    async def test_the_one_expectation_that_is_met_may_be_said_twice_and_in_any_case(
        self, quiet: QuietGateway, expected: tuple[str, ...]
    ) -> None:
        async with connection(quiet.port) as line:
            await line.send(
                head("POST", BATCH, AS_JSON, of_length(2), *(("Expect", each) for each in expected))
            )
            assert (await line.answer()).status == 100

    async def test_each_body_of_a_connection_is_asked_for(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            for _ in range(2):
                await is_let_in(line, AS_JSON, of_length(len(URLS)))
                await line.send(URLS)
                assert (await line.answer()).status == 201

    async def test_an_expectation_of_http_1_0_is_not_heeded(self, quiet: QuietGateway) -> None:
        """RFC 9110, section 10.1.1: its client would take an interim answer for the final one."""
        async with connection(quiet.port) as line:
            expecting = (AS_JSON, of_length(len(URLS)), ("Expect", "a-miracle"))
            await line.send(head("POST", BATCH, *expecting, version="1.0"), URLS)
            assert (await line.answer()).status == 201

    async def test_who_sends_its_body_unasked_is_not_asked(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, AS_JSON, of_length(len(URLS)), ASKED_FIRST) + URLS)
            assert (await line.answer()).status == 201


class TestPipelined:
    async def test_a_request_behind_a_body_is_answered_next(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            batch = head("POST", BATCH, AS_JSON, of_length(len(URLS))) + URLS
            await line.send(batch + batch + head("GET", "/healthz"))
            assert [(await line.answer()).status for _ in range(3)] == [201, 201, 200]

    async def test_a_request_behind_a_body_that_was_not_read_is_never_taken_for_one(
        self, quiet: QuietGateway
    ) -> None:
        """It stands in the body of the first, as far as anybody knows."""
        hidden = head("GET", "/healthz")
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, ("Content-Type", "image/gif"), of_length(10_000)) + hidden)
            assert (await line.answer()).status == 415
            line.writer.write_eof()
            await line.ended()


class TestChunks:
    async def test_a_byte_may_have_a_chunk_of_its_own(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, AS_JSON, CHUNKED))
            await line.send(*(chunk(bytes([byte])) for byte in URLS.ljust(100_000)), chunk(b""))
            assert (await line.answer()).status == 201

    @pytest.mark.parametrize(
        "framing", [chunk(b"A"), b"1;" + b"x" * 5000 + b"\r\nA\r\n"], ids=["bytes", "extensions"]
    )
    async def test_a_body_that_is_nearly_nothing_but_framing_is_400(
        self, quiet: QuietGateway, framing: bytes
    ) -> None:
        """It would take far more time than its size tells, and no bound on content would end it."""
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, AS_JSON, CHUNKED), chunk(b'{"images": [{"base64": "'))
            sending = asyncio.create_task(self.send_for_ever(line, framing * (100_000 // len(framing))))
            answer = await line.answer()
            sending.cancel()
            await asyncio.wait((sending,))
        assert (answer.status, answer.json["code"]) == (400, "bad_input")

    async def send_for_ever(self, line: Line, content: bytes) -> None:
        while True:
            await line.send(content)

    async def test_the_framing_of_one_body_is_not_that_of_the_next(self, quiet: QuietGateway) -> None:
        """Each has one and a half megabytes of it."""
        body = [b"%x;%b\r\n%b\r\n" % (1, b"x" * 5000, bytes([byte])) for byte in URLS.ljust(300)]
        async with connection(quiet.port) as line:
            for _ in range(3):
                await line.send(head("POST", BATCH, AS_JSON, CHUNKED), *body, chunk(b""))
                assert (await line.answer()).status == 201
