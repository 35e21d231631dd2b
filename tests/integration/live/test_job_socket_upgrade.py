"""Who gets a job's WebSocket: refusals before the upgrade, and of pages whose origin is not on the list."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.settings import HttpSettings
from tests.integration.live.job_socket import path_of
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense"])
async def test_an_unknown_job_is_404_before_the_upgrade(quiet: QuietGateway, job_id: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await quiet.http.ws_connect(f"/api/v1/batch/{job_id}/ws")
    assert refusal.value.status == 404


async def test_an_unknown_job_is_told_as_a_problem(quiet: QuietGateway) -> None:
    async with quiet.http.get(f"/api/v1/batch/{UNKNOWN}/ws") as answer:
        assert answer.status == 404
        assert (await answer.json(content_type="application/problem+json"))["code"] == "job_not_found"


@pytest.mark.parametrize(
    ("query", "code"), [("images=yes", "bad_parameter"), ("afer=0", "unknown_parameter")]
)
async def test_a_wrong_parameter_is_400_before_the_upgrade(
    quiet: QuietGateway, query: str, code: str
) -> None:
    job = await quiet.accept()
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}/ws?{query}") as answer:
        assert answer.status == 400
        assert (await answer.json(content_type="application/problem+json"))["code"] == code


async def test_a_plain_get_is_426(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with quiet.http.get(path_of(job)) as answer:
        assert answer.status == 426
        assert answer.headers["Upgrade"] == "websocket"
        assert (await answer.json(content_type="application/problem+json"))["code"] == "upgrade_required"


async def test_a_plain_get_is_told_of_the_door_for_it(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with quiet.http.get(path_of(job)) as answer:
        text = (await answer.json(content_type="application/problem+json"))["detail"]
    (door,) = re.findall(r"GET (/\S+)", text)
    async with quiet.http.get(door.format(job_id=job.job_id)) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")


class TestOrigins:
    @pytest.fixture
    async def listing(self, tmp_path: Path) -> AsyncIterator[QuietGateway]:
        http = HttpSettings(cors_origins=("https://app.example.com",))
        async with quiet_gateway(tmp_path, http=http) as gateway:
            yield gateway

    async def status(self, gateway: QuietGateway, headers: dict[str, str]) -> int:
        job = await gateway.accept()
        try:
            async with gateway.http.ws_connect(path_of(job), headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as refusal:
            return refusal.status

    async def test_by_default_any_page_may_follow(self, quiet: QuietGateway) -> None:
        assert await self.status(quiet, {"Origin": "https://anywhere.example"}) == 101

    async def test_a_page_of_the_list_may_follow(self, listing: QuietGateway) -> None:
        assert await self.status(listing, {"Origin": "https://app.example.com"}) == 101

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "https://app.example.com.evil.example"]
    )
    async def test_another_page_may_not(self, listing: QuietGateway, origin: str) -> None:
        assert await self.status(listing, {"Origin": origin}) == 403

    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_pages_of_the_gateway_itself_may(self, listing: QuietGateway, scheme: str) -> None:
        """They are served beside it, and a proxy may speak TLS for both."""
        assert await self.status(listing, {"Origin": f"{scheme}://127.0.0.1:{listing.port}"}) == 101

    async def test_they_may_by_the_name_that_a_proxy_passes_on(self, listing: QuietGateway) -> None:
        named = {"Origin": "https://Gateway.example", "Host": "gateway.example"}
        assert await self.status(listing, named) == 101

    @pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://127.0.0.1:1", "http://", "://", ""])
    async def test_others_on_its_machine_may_not(self, listing: QuietGateway, origin: str) -> None:
        assert await self.status(listing, {"Origin": origin}) == 403

    async def test_who_is_no_browser_may(self, listing: QuietGateway) -> None:
        assert await self.status(listing, {}) == 101
