"""Which pages may call the API: all by default, those of a list by setting."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.settings import HttpSettings
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

APP, EVIL = "https://app.example.com", "https://evil.example"
PATHS = ["/api/v1/batch", "/api/v1/batch/nope", "/nope", "/healthz", "/readyz", "/api/v1/openapi.json"]


@pytest.fixture
async def listing(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path, http=HttpSettings(cors_origins=(APP,))) as gateway:
        yield gateway


@pytest.mark.parametrize("path", PATHS)
async def test_by_default_every_page_may_read_every_answer(quiet: QuietGateway, path: str) -> None:
    async with quiet.http.get(path, headers={"Origin": EVIL}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        exposed = answer.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("ETag", "Location", "Retry-After", "Content-Range"))


async def test_streamed_bytes_may_be_read_too(quiet: QuietGateway) -> None:
    headers = {"Content-Type": "image/jpeg"}
    async with quiet.http.post("/api/v1/batch", data=plain("JPEG"), headers=headers) as answer:
        location = answer.headers["Location"]
    async with quiet.http.get(f"{location}/images/0/original") as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", PATHS)
async def test_a_preflight_is_answered_for_every_address(quiet: QuietGateway, path: str) -> None:
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-trace",
    }
    async with quiet.http.options(path, headers=asked) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-trace"
        assert int(answer.headers["Access-Control-Max-Age"]) > 0


async def test_a_listed_page_may_read(listing: QuietGateway) -> None:
    async with listing.http.get("/api/v1/batch", headers={"Origin": APP}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [EVIL, "null", APP + ".evil.example", APP.upper()])
async def test_another_page_may_not(listing: QuietGateway, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with (
        listing.http.get("/api/v1/batch", headers=asked) as answer,
        listing.http.options("/api/v1/batch", headers=asked) as preflight,
    ):
        for refused in (answer, preflight):
            assert "Access-Control-Allow-Origin" not in refused.headers
            assert refused.headers["Vary"] == "Origin"
