"""The header Idempotency-Key as clients send it, and what they read of its answers."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import frozen

from tests.integration.test_api_submit import BATCH, JPEG, PNG, kept, sent
from tests.patience import PATIENCE_S
from tests.photos import padded
from tests.servers.quiet_gateway import QuietGateway

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@frozen
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def first(self) -> tuple[object, ...]:
        """What is the same in every answer to a key."""
        return self.status, self.headers["Location"], self.body

    @property
    def code(self) -> Any:
        return self.body["code"]


async def post(quiet: QuietGateway, key: str | None = KEY, path: str = BATCH, **request: Any) -> Reply:
    headers = request.pop("headers", {}) | ({"Idempotency-Key": key} if key is not None else {})
    async with quiet.http.post(path, headers=headers, **request) as answer:
        return Reply(answer.status, answer.headers.copy(), await answer.json(content_type=None))


def form(border: str, *images: tuple[str, bytes], ends: str = "\r\n") -> dict[str, Any]:
    """A multipart body as a request of aiohttp's client; with a border of its own."""
    parts = b"".join(
        f'--{border}\r\nContent-Disposition: form-data; name="{border}"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in images
    )
    body = parts + f"--{border}--{ends}".encode()
    return {"data": body, "headers": {"Content-Type": f"multipart/form-data; boundary={border}"}}


def in_json(*images: tuple[str, bytes], prefix: str = "") -> dict[str, Any]:
    encoded = [
        {"name": name, "base64": prefix + base64.b64encode(content).decode()} for name, content in images
    ]
    return {"json": {"images": encoded}}


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(0)


ONE = form("one", ("a.jpg", JPEG))
LINKED: dict[str, Any] = {
    "json": {
        "images": [{"url": "https://example.com/a.jpg"}, {"url": "https://example.com/b.jpg", "name": "b"}]
    }
}


async def test_a_repeat_is_answered_word_for_word_and_says_that_it_is_one(quiet: QuietGateway) -> None:
    first, again = await post(quiet, **ONE), await post(quiet, **ONE)
    assert (first.status, first.headers.get("Idempotent-Replayed")) == (201, None)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.first == first.first
    assert await kept(quiet) == (1, quiet.stored_files())
    assert len(quiet.stored_files()) == 1


@pytest.mark.parametrize(
    "again",
    [
        lambda: form("another-border", ("a.jpg", JPEG)),
        lambda: form("one", ("a.jpg", JPEG), ends=""),
        lambda: ONE | {"data": in_pieces(ONE["data"], 100)},
        lambda: in_json(("a.jpg", JPEG)),
        lambda: in_json(("a.jpg", JPEG), prefix="data:image/jpeg;base64,"),
        lambda: {"path": f"{BATCH}?name=a.jpg", "data": JPEG, "headers": {"Content-Type": "image/jpeg"}},
        lambda: {"path": f"{BATCH}?options={{}}"} | ONE,
    ],
    ids=["other border", "no line end", "chunked", "base64", "data URI", "raw", "empty options"],
)
async def test_the_same_images_are_the_same_request_however_they_are_sent(
    quiet: QuietGateway, again: Any
) -> None:
    first = await post(quiet, **ONE)
    assert (await post(quiet, **again())).first == first.first
    assert (await kept(quiet))[0] == 1


async def test_linked_images_are_known_by_their_urls(quiet: QuietGateway) -> None:
    first = await post(quiet, **LINKED)
    assert (await post(quiet, **LINKED)).first == first.first
    images = [*LINKED["json"]["images"][:1], {"url": "https://example.com/c.jpg", "name": "b"}]
    assert (await post(quiet, json={"images": images})).code == "idempotency_key_reused"


@pytest.mark.parametrize(("first", "again"), [(KEY, f'"{KEY}"'), (f'"{KEY}"', KEY)])
async def test_quoted_or_not_it_is_the_same_key(quiet: QuietGateway, first: str, again: str) -> None:
    assert (await post(quiet, first, **ONE)).first == (await post(quiet, again, **ONE)).first


async def test_a_key_with_other_content_is_422_and_leaves_nothing(quiet: QuietGateway) -> None:
    first = await post(quiet, **ONE)
    refused = await post(quiet, **form("one", ("a.jpg", PNG)))
    assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert await kept(quiet) == (1, quiet.stored_files())
    assert len(quiet.stored_files()) == 1
    assert (await post(quiet, **ONE)).first == first.first


@frozen
class InFlight:
    """A request of which all but the last bytes have come."""

    reply: asyncio.Task[Reply]
    may_end: asyncio.Event


@asynccontextmanager
async def in_flight(quiet: QuietGateway, request: dict[str, Any]) -> AsyncIterator[InFlight]:
    may_end = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield request["data"][:-10]
        await may_end.wait()
        yield request["data"][-10:]

    reply = asyncio.create_task(post(quiet, data=slow(), headers=request["headers"]))
    async with asyncio.timeout(PATIENCE_S):
        while not quiet.stored_files():
            await asyncio.sleep(0.01)
        yield InFlight(reply, may_end)
        await reply


TWO = form("two", ("a.jpg", JPEG), ("b.jpg", JPEG))


async def test_a_key_in_flight_is_409_and_says_when_to_ask_again(quiet: QuietGateway) -> None:
    async with in_flight(quiet, TWO) as first:
        refused = await post(quiet, **TWO)
        assert (refused.status, refused.code) == (409, "request_in_flight")
        assert refused.headers["Retry-After"] == "1"
        first.may_end.set()
        assert (await first.reply).status == 201
    assert (await post(quiet, **TWO)).first == first.reply.result().first
    assert (await kept(quiet))[0] == 1


async def test_a_large_repeat_is_told_of_one_in_flight_before_it_was_sent(quiet: QuietGateway) -> None:
    """Its client reads the answer all the same."""
    large = form("one", *((f"{index}.jpg", padded(JPEG, 5_000_000)) for index in range(8)))
    async with in_flight(quiet, TWO) as first:
        refused = await post(quiet, **large | {"data": sent(large["data"])})
        assert (refused.status, refused.code) == (409, "request_in_flight")
        first.may_end.set()


@pytest.mark.parametrize("key", ["", '""', '"', "a\tb", '"a"b', "schlüssel", "k" * 256])
async def test_what_is_no_key_is_400_and_nothing_is_done(quiet: QuietGateway, key: str) -> None:
    refused = await post(quiet, key, **ONE)
    assert (refused.status, refused.code) == (400, "bad_idempotency_key")
    assert await kept(quiet) == (0, [])


async def test_a_key_that_is_given_twice_is_400(quiet: QuietGateway) -> None:
    headers = [*ONE["headers"].items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    async with quiet.http.post(BATCH, headers=headers, data=ONE["data"]) as answer:
        assert answer.status == 400
        problem = await answer.json(content_type=None)
    assert problem["code"] == "bad_idempotency_key"
    assert problem["detail"] == "The request has 2 headers Idempotency-Key; it may have one."


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        (400, {"json": {"images": []}}),
        (415, {"data": b"x", "headers": {"Content-Type": "text/plain"}}),
        (422, {"path": f"{BATCH}?strict=true"} | form("b", ("a.jpg", b"no image"))),
    ],
)
async def test_a_refused_request_leaves_its_key_free(quiet: QuietGateway, status: int, refused: Any) -> None:
    assert (await post(quiet, **refused)).status == status
    assert (await post(quiet, **ONE)).status == 201


async def test_without_the_job_store_nothing_is_answered_that_it_would_know(quiet: QuietGateway) -> None:
    await post(quiet, **ONE)
    store: Any = quiet.context.job_store
    await store._close()  # noqa: SLF001
    for key in (KEY, "another"):
        refused = await post(quiet, key, **ONE)
        assert (refused.status, refused.code) == (503, "unavailable")
        assert "Retry-After" in refused.headers


async def test_a_gateway_that_stops_answers_no_repeat(quiet: QuietGateway) -> None:
    await post(quiet, **ONE)
    quiet.context.background.ask_to_stop()
    refused = await post(quiet, **ONE)
    assert (refused.status, refused.code) == (503, "stopping")


async def test_a_page_of_another_site_may_send_the_key_and_read_that_it_was_known(
    quiet: QuietGateway,
) -> None:
    origin = {"Origin": "https://app.example.com"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    async with quiet.http.options(BATCH, headers=origin | asked) as preflight:
        assert preflight.headers["Access-Control-Allow-Headers"] == "idempotency-key"
    reply = await post(quiet, **ONE)
    assert "Idempotent-Replayed" in reply.headers["Access-Control-Expose-Headers"]
