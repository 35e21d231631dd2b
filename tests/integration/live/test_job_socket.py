"""Following a job by WebSocket: frames, positions, close codes, and that nobody waits for a slow reader."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from gateway.api.live.audience import LEAVE_S
from gateway.domain import transitions
from gateway.domain.events import Change
from gateway.domain.job import Failure, Job
from gateway.events.settings import SubscriberSettings
from gateway.settings import HttpSettings
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.websocket.client import opened
from tests.websocket.frames import PING

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


def path_of(job: Job) -> str:
    return f"/api/v1/batch/{job.job_id}/ws"


@asynccontextmanager
async def following(
    quiet: QuietGateway, job: Job, after: str | None = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    params = {} if after is None else {"after": after}
    async with quiet.http.ws_connect(path_of(job), params=params) as websocket:
        yield websocket


async def frame(websocket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message = await websocket.receive(timeout=PATIENCE_S)
    assert message.type is WSMsgType.TEXT, message
    parsed: dict[str, Any] = json.loads(message.data)
    return parsed


async def frames_to_the_end(websocket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [json.loads(message.data) async for message in websocket]


async def test_the_current_state_comes_first(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job) as websocket:
        first = await frame(websocket)
    assert list(first) == [
        "type", "job_id", "status", "progress", "completed", "failed", "total_images", "timestamp", "id",
        "resumed", "heartbeat_s",
    ]  # fmt: skip
    assert (first["type"], first["job_id"], first["status"]) == ("progress", job.job_id, "processing")
    assert (first["progress"], first["completed"], first["total_images"]) == (50.0, 1, 2)
    assert first["timestamp"].endswith("Z")


async def test_every_image_that_ends_is_told_as_the_status_shows_it(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        await quiet.complete(job.job_id, 0)
        told = await frame(websocket)
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}/images/0") as answer:
        assert told["image"] == await answer.json()
    assert told["type"] == "image_complete"


async def test_job_complete_is_last_and_then_1000(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    async with following(quiet, job) as websocket:
        await quiet.complete(job.job_id, 0)
        await quiet.fail(job.job_id, 1)
        types = [told["type"] for told in await frames_to_the_end(websocket)]
        assert types[-3:] == ["image_complete", "image_complete", "job_complete"]
        assert websocket.close_code == 1000


async def test_job_complete_alone_tells_how_it_went(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.complete(job.job_id, 0)
    await quiet.fail(job.job_id, 1)
    async with following(quiet, job, after="0") as websocket:
        *others, last = await frames_to_the_end(websocket)
    assert (last["type"], last["outcome"]) == ("job_complete", "partial")
    assert not any("outcome" in other for other in others)


async def test_an_ended_job_is_told_at_once(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job) as websocket:
        frames = await frames_to_the_end(websocket)
        assert [told["type"] for told in frames] == ["progress", "job_complete"]
        assert websocket.close_code == 1000


async def test_the_opening_says_that_it_begins_anew_and_how_often_there_is_a_sign_of_life(
    quiet: QuietGateway,
) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        first = await frame(websocket)
    assert (first["resumed"], first["heartbeat_s"]) == (False, 20)
    assert "images" not in first


async def test_the_opening_has_all_images_for_who_asks(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.complete(job.job_id, 0)
    async with quiet.http.ws_connect(path_of(job), params={"images": "true"}) as websocket:
        first = await frame(websocket)
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}") as answer:
        assert first["images"] == (await answer.json())["images"]


async def test_the_opening_of_one_that_comes_back_is_the_state_of_then(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=3)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job) as websocket:
        seen = await frame(websocket)
    await quiet.complete(job.job_id, 1)
    async with following(quiet, job, after=seen["id"]) as websocket:
        first, then = await frame(websocket), await frame(websocket)
    assert (first["resumed"], first["id"], first["completed"]) == (True, seen["id"], 1)
    assert (then["type"], then["image"]["index"]) == ("image_complete", 1)


async def test_a_job_that_is_deleted_is_told_by_4500(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await frame(websocket)
        await quiet.ledger.delete(job.job_id)
        assert await closed(websocket) == 4500


async def test_after_a_silence_the_last_state_comes_once_more_and_a_ping(tmp_path: Path) -> None:
    """What scripts in browsers see of it is the state alone."""
    subscribers = SubscriberSettings(heartbeat_s=0.2)
    async with quiet_gateway(tmp_path, subscribers=subscribers) as gateway:
        job = await gateway.accept()
        async with opened(gateway.port, path_of(job)) as raw:
            first = json.loads(await raw.message())
            again = json.loads(await raw.message())
    shown = {name: value for name, value in first.items() if name not in ("resumed", "heartbeat_s")}
    assert again == shown
    assert PING in [told.opcode for told in raw.frames]


async def test_one_that_came_back_to_a_quiet_job_sees_signs_of_life_too(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(heartbeat_s=0.2)) as gateway:
        job = await gateway.accept(images=2)
        await gateway.complete(job.job_id, 0)
        async with following(gateway, job, after="0") as websocket:
            told = [await frame(websocket) for _ in range(4)]
    assert [each["type"] for each in told] == ["progress", "image_complete", "progress", "progress"]
    assert told[1]["id"] == told[2]["id"] == told[3]["id"]


async def test_after_goes_on_where_it_stopped(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=3)
    async with following(quiet, job) as websocket:
        seen = (await frame(websocket))["id"]
    for index in range(3):
        await quiet.complete(job.job_id, index)
    async with following(quiet, job, after=seen) as websocket:
        frames = await frames_to_the_end(websocket)
    assert [told.get("image", {}).get("index") for told in frames[1:]] == [0, 1, 2, None]


async def test_after_0_tells_everything(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job, after="0") as websocket:
        types = [told["type"] for told in await frames_to_the_end(websocket)]
    assert types == ["progress", "image_complete", "job_complete"]


async def test_after_goes_on_in_another_life_of_the_gateway(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path) as gateway:
        job = await gateway.accept(images=2)
        async with following(gateway, job) as websocket:
            await frame(websocket)
            await gateway.complete(job.job_id, 0)
            seen = (await frame(websocket))["id"]
    async with quiet_gateway(tmp_path) as gateway, following(gateway, job, after=seen) as websocket:
        await gateway.complete(job.job_id, 1)
        frames = await frames_to_the_end(websocket)
    assert [told.get("image", {}).get("index") for told in frames[1:]] == [1, None]


@pytest.mark.parametrize("after", ["nonsense", "other:3", "", "0:", "' OR 1=1", "-1"])
async def test_an_unknown_position_gets_the_current_state(quiet: QuietGateway, after: str) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job, after=after) as websocket:
        first = await frame(websocket)
    assert (first["type"], first["resumed"]) == ("progress", False)


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


async def test_a_gateway_that_stops_sends_everybody_away_with_1001_at_once(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as one, following(quiet, job) as other:
        await frame(one)
        await frame(other)
        codes = asyncio.gather(*(closed(websocket) for websocket in (one, other)))
        async with asyncio.timeout(2):
            await quiet.stop_doors()
            assert await codes == [1001, 1001]


async def test_a_subscriber_that_was_busy_when_the_gateway_stopped_sees_1001_too(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await frame(websocket)
        stopping = asyncio.create_task(quiet.stop_doors())
        await asyncio.sleep(0.5)
        assert not stopping.done()
        assert await closed(websocket) == 1001
        await stopping


async def test_the_goodbye_follows_the_frame_that_was_being_sent(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    loop, received = asyncio.get_running_loop(), b""
    with closing(await a_deaf_subscriber(quiet, job)) as slow:
        for index in range(2):
            await quiet.change(job.job_id, lambda job, index=index: failed_with(job, index, "x" * 1_000_000))  # type: ignore[misc]
        async with asyncio.timeout(PATIENCE_S):
            while b"xx" not in received:  # the first of the two has begun
                received = await loop.sock_recv(slow, 1000)
            stopping = asyncio.create_task(quiet.stop_doors())
            while chunk := await loop.sock_recv(slow, 1 << 20):
                received = received[-10:] + chunk
        await stopping
    assert received[-4:] == b"\x88\x02\x03\xe9"  # a close frame with 1001 (RFC 6455, section 5.5.1)


async def test_silent_subscribers_delay_the_stop_by_the_time_of_one(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    silent = [await a_deaf_subscriber(quiet, job) for _ in range(20)]
    async with asyncio.timeout(5 * LEAVE_S):
        await quiet.stop_doors()
    for each in silent:
        each.close()


async def closed(websocket: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in websocket:
        pass
    return websocket.close_code


async def test_a_gateway_that_stops_takes_no_subscriber(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    quiet.context.background.ask_to_stop()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await quiet.http.ws_connect(path_of(job))
    assert refusal.value.status == 503


async def test_what_a_subscriber_says_is_not_listened_to(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job) as websocket:
        await websocket.send_str("hello")
        await websocket.send_bytes(b"\x00")
        await quiet.complete(job.job_id, 0)
        assert (await frames_to_the_end(websocket))[-1]["type"] == "job_complete"


async def test_too_much_from_a_subscriber_ends_it(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await websocket.send_str("x" * 10_000)
        await frames_to_the_end(websocket)
        assert websocket.close_code == 1009


def listeners(quiet: QuietGateway) -> int:
    registry = quiet.context.metrics.instruments.registry
    return int(registry.get_sample_value("gateway_websocket_connections") or 0)


async def test_a_subscriber_that_leaves_is_forgotten_at_once(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await frame(websocket)
        assert listeners(quiet) == 1
    async with asyncio.timeout(PATIENCE_S):
        while listeners(quiet):
            await asyncio.sleep(0.01)


async def test_a_subscriber_that_vanishes_is_forgotten_too(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    websocket = await quiet.http.ws_connect(path_of(job))
    await frame(websocket)
    transport = websocket.get_extra_info("socket")
    transport.shutdown(socket.SHUT_RDWR)
    async with asyncio.timeout(PATIENCE_S):
        while listeners(quiet):
            await asyncio.sleep(0.01)


async def test_a_reader_that_does_not_read_holds_up_nobody_and_is_cut_off(quiet: QuietGateway) -> None:
    """Its messages fill the buffers of the socket and of the transport; after ten seconds without a byte it is gone."""
    job = await quiet.accept(images=100)
    deaf = await a_deaf_subscriber(quiet, job)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        assert listeners(quiet) == 2
        big = "x" * 100_000
        for index in range(99):
            await quiet.change(job.job_id, lambda job, index=index: failed_with(job, index, big))  # type: ignore[misc]
        async with asyncio.timeout(8):  # while the other one is still there
            told = 0
            while told < 99:
                told += (await frame(websocket))["type"] == "image_complete"
        async with asyncio.timeout(PATIENCE_S):
            while listeners(quiet) == 2:
                await asyncio.sleep(0.05)
        await quiet.fail(job.job_id, 99)
        assert (await frames_to_the_end(websocket))[-1]["type"] == "job_complete"
    deaf.close()


def failed_with(job: Job, index: int, text: str) -> Change | None:
    return transitions.fail(job, index, Failure("analysis_failed", text), job.updated_at)


async def a_deaf_subscriber(quiet: QuietGateway, job: Job) -> socket.socket:
    """One that shakes hands and never reads again, with small buffers."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", quiet.port))
    handshake = (
        f"GET {path_of(job)} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(deaf, handshake.encode())
    assert b"101" in await loop.sock_recv(deaf, 100)
    return deaf


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
