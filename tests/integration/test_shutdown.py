"""How a gateway stops and comes back: in time, nothing lost, nothing left over, and never two on one folder."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import aiohttp
import pytest
from attrs import define, field

from gateway.api.live.audience import LEFT_S
from gateway.background import Background
from gateway.jobs.cleaner import GRACE_S
from gateway.jobs.sending.recall import TAKE_BACK_S
from gateway.settings import HttpSettings
from tests.chaos.reservations import reservations_in
from tests.following import Frame, follow
from tests.free_ports import free_port
from tests.photos import a_jpeg, a_png
from tests.pictures import china
from tests.servers.gateway import HOST, Ended, Gateway, running_gateway
from tests.servers.web import Request, Site, image, web_server
from tests.submitting import half_an_upload

IN_TIME_S = 10
"""Which supervisors give a process; the sum of its own deadlines is below."""
BUSY_S = 2 * IN_TIME_S
"""The same where neighbours hold up this machine: what is not heeded takes far longer."""
PATIENCE_S = 30

stopped_by = pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name
)


@define
class HeldPhoto:
    """A page that answers once it is let go; until then downloads of it are under way."""

    asked: asyncio.Event = field(factory=asyncio.Event)
    released: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        await self.released.wait()
        await image(a_jpeg(), "image/jpeg")(request, writer)


@pytest.fixture
def held() -> HeldPhoto:
    return HeldPhoto()


@pytest.fixture
async def site(held: HeldPhoto) -> AsyncIterator[Site]:
    async with web_server({"/held.jpg": held}) as site:
        yield site


@pytest.fixture
async def gateway(tmp_path: Path, site: Site) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
    ) as gateway:
        yield gateway


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that does not wait long for uploads in hand, to spare the tests that time."""
    async with running_gateway(tmp_path / "data", http_shutdown_timeout_s=0.3) as gateway:
        yield gateway


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


async def submit(http: aiohttp.ClientSession, gateway: Gateway, *photos: bytes) -> str:
    form = aiohttp.FormData()
    for number, photo in enumerate(photos):
        form.add_field("images", photo, filename=f"{number}.jpg")
    return await _job_id(http.post(gateway.url("/api/v1/batch"), data=form))


async def submit_held(http: aiohttp.ClientSession, gateway: Gateway, site: Site, held: HeldPhoto) -> str:
    """A job whose only image is being downloaded."""
    body = {"images": [{"url": site.url("/held.jpg")}]}
    job_id = await _job_id(http.post(gateway.url("/api/v1/batch"), json=body))
    await _within_patience(held.asked.wait())
    return job_id


async def _job_id(posting: "aiohttp.client._RequestContextManager") -> str:
    async with posting as answer:
        assert answer.status == 201
        return str((await answer.json())["job_id"])


async def end_of(http: aiohttp.ClientSession, gateway: Gateway, job_id: str) -> Frame:
    """The last frame, which says how the job ended."""
    async with asyncio.timeout(PATIENCE_S):
        followed = await follow(http, gateway.base_url, job_id)
    assert followed.types[-1] == "job_complete"
    return followed.frames[-1]


async def _within_patience(waiting: Awaitable[object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await waiting


@stopped_by
async def test_an_idle_gateway_ends_at_once_and_well(gateway: Gateway, number: signal.Signals) -> None:
    ended = await gateway.stop(number)
    assert (ended.code, ended.seconds < IN_TIME_S / 2) == (0, True)


@stopped_by
async def test_it_ends_in_time_with_an_upload_a_download_and_a_subscriber_open(
    gateway: Gateway, http: aiohttp.ClientSession, site: Site, held: HeldPhoto, number: signal.Signals
) -> None:
    job_id = await submit_held(http, gateway, site, held)
    async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws")) as subscriber:
        await subscriber.receive_json()
        upload = await half_an_upload(gateway)
        ended = await gateway.stop(number)
    upload.close()
    assert ended.code == 0
    assert ended.seconds < BUSY_S


async def a_silent_subscriber(gateway: Gateway, job_id: str) -> asyncio.StreamWriter:
    """It shakes hands and is never heard of again."""
    reader, writer = await asyncio.open_connection(HOST, gateway.port)
    writer.write(
        f"GET /api/v1/batch/{job_id}/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE_S):
        assert b"101" in await reader.readline()
    return writer


async def test_it_ends_in_time_in_the_worst_case(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    """Half an upload, silent subscribers and work in the helpers, all at once."""
    upload = await half_an_upload(gateway)
    job_id = await submit(http, gateway, *[china()] * 60)
    silent = [await a_silent_subscriber(gateway, job_id) for _ in range(3)]
    async with http.get(gateway.url(f"/api/v1/batch/{job_id}")) as answer:
        assert (await answer.json())["completed"] < 60
    ended = await gateway.stop()
    for connection in (upload, *silent):
        connection.close()
    assert (ended.code, ended.seconds < BUSY_S) == (0, True)


def test_the_deadlines_of_a_stop_leave_room_below_the_ten_seconds() -> None:
    """Of the doors, the services and what they leave in a broker that forgets; aiohttp may take its own twice."""
    doors_s = LEFT_S + 2 * HttpSettings().shutdown_timeout_s
    assert doors_s + Background().stop_timeout_s + TAKE_BACK_S < IN_TIME_S


def test_leftovers_that_are_being_removed_leave_room_below_what_a_service_has() -> None:
    assert Background().stop_timeout_s > GRACE_S


async def heard(subscriber: aiohttp.ClientWebSocketResponse) -> tuple[set[str], int | None]:
    """The types of all frames, and how the connection was closed."""
    types = {message.json()["type"] async for message in subscriber}
    return types, subscriber.close_code


async def test_subscribers_are_sent_away_with_1001(
    gateway: Gateway, http: aiohttp.ClientSession, site: Site, held: HeldPhoto
) -> None:
    url = gateway.url(f"/api/v1/batch/{await submit_held(http, gateway, site, held)}/ws")
    async with http.ws_connect(url) as one, http.ws_connect(url) as other:
        stopping = asyncio.create_task(gateway.stop())
        one_end, other_end = await asyncio.gather(heard(one), heard(other))
        await stopping
    going_away = ({"progress"}, aiohttp.WSCloseCode.GOING_AWAY)
    assert (one_end, other_end) == (going_away, going_away)


async def test_a_subscriber_that_does_not_answer_delays_the_stop_a_little_only(
    gateway: Gateway, http: aiohttp.ClientSession, site: Site, held: HeldPhoto
) -> None:
    job_id = await submit_held(http, gateway, site, held)
    async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws"), autoclose=False) as subscriber:
        await subscriber.receive_json()
        ended = await gateway.stop()  # nothing here reads the close frame meanwhile
    assert (ended.code, ended.seconds < BUSY_S) == (0, True)


@stopped_by
async def test_half_an_upload_leaves_no_file(impatient: Gateway, number: signal.Signals) -> None:
    upload = await half_an_upload(impatient)
    await impatient.stop(number)
    upload.close()
    assert impatient.objects == {"original": set(), "processed": set(), ".tmp": set()}


async def test_half_an_upload_leaves_no_reservation(impatient: Gateway) -> None:
    upload = await half_an_upload(impatient)
    await impatient.stop()
    upload.close()
    assert reservations_in(impatient.data_dir / "jobs.sqlite") == []


async def test_half_an_upload_leaves_no_job(impatient: Gateway, http: aiohttp.ClientSession) -> None:
    upload = await half_an_upload(impatient)
    await impatient.restart()
    upload.close()
    async with http.get(impatient.url("/api/v1/batch")) as answer:
        assert (await answer.json())["total"] == 0


@stopped_by
async def test_a_job_that_was_just_accepted_is_completed_by_the_next_start(
    gateway: Gateway, http: aiohttp.ClientSession, number: signal.Signals
) -> None:
    job_id = await submit(http, gateway, *[a_jpeg(), a_png(), china()] * 5)
    await gateway.stop(number)
    await gateway.start()
    end = await end_of(http, gateway, job_id)
    assert (end["status"], end["completed"], end["failed"]) == ("completed", 15, 0)


async def test_a_download_that_was_cut_by_the_stop_is_made_by_the_next_start(
    gateway: Gateway, http: aiohttp.ClientSession, site: Site, held: HeldPhoto
) -> None:
    job_id = await submit_held(http, gateway, site, held)
    await gateway.stop()
    held.released.set()
    await gateway.start()
    assert (await end_of(http, gateway, job_id))["status"] == "completed"


async def test_a_subscriber_goes_on_after_the_restart_where_it_was(
    gateway: Gateway, http: aiohttp.ClientSession, site: Site, held: HeldPhoto
) -> None:
    job_id = await submit_held(http, gateway, site, held)
    async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws")) as subscriber:
        last = (await subscriber.receive_json())["id"]
        await gateway.stop()
    held.released.set()
    await gateway.start()
    async with asyncio.timeout(PATIENCE_S):
        followed = await follow(http, gateway.base_url, job_id, after=last)
    opening, *news = followed.frames
    assert (opening["id"], opening["resumed"]) == (last, True)
    assert last not in [frame["id"] for frame in news]
    assert followed.types[-2:] == ["image_complete", "job_complete"]


async def stopped_at_once(gateway: Gateway) -> Ended:
    """By a second signal, while an upload holds the stop up."""
    upload = await half_an_upload(gateway)
    gateway.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        while not any(line["event"] == "stopping" for line in gateway.log()):
            await asyncio.sleep(0.02)
    ended = await gateway.stop()
    upload.close()
    return ended


async def test_a_second_signal_ends_it_at_once(gateway: Gateway) -> None:
    ended = await stopped_at_once(gateway)
    assert (ended.code, ended.seconds < IN_TIME_S) == (-signal.SIGTERM, True)


async def test_what_a_second_signal_left_over_the_next_start_removes(gateway: Gateway) -> None:
    await stopped_at_once(gateway)
    assert gateway.objects["original"]
    await gateway.start()
    async with asyncio.timeout(PATIENCE_S):
        while gateway.objects != {"original": set(), "processed": set(), ".tmp": set()}:
            await asyncio.sleep(0.02)


async def _refusal(gateway: Gateway) -> tuple[int, list[str]]:
    """Exit code and all output of a gateway that should not start."""
    await gateway.launch()
    async with asyncio.timeout(PATIENCE_S):
        code = await gateway.process.wait()
    return code, gateway.output().splitlines()


async def test_a_second_gateway_on_the_same_data_is_refused_in_one_line(
    gateway: Gateway, tmp_path: Path
) -> None:
    second = Gateway(tmp_path / "second", free_port(), {"data_dir": str(gateway.data_dir)})
    code, lines = await _refusal(second)
    assert (code, len(lines)) == (1, 1)
    assert "in use by another gateway" in lines[0]


async def test_the_first_gateway_does_not_notice_the_second(
    gateway: Gateway, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await _refusal(Gateway(tmp_path / "second", free_port(), {"data_dir": str(gateway.data_dir)}))
    job_id = await submit(http, gateway, a_jpeg())
    assert (await end_of(http, gateway, job_id))["status"] == "completed"


async def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        port = free_port()
        taken.bind((HOST, port))
        taken.listen()
        code, lines = await _refusal(Gateway(tmp_path / "data", port, {}))
    assert code == 1
    assert [line for line in lines if not line.startswith("{")] == [
        f"gateway: can't listen on http://{HOST}:{port} (http.host, http.port, SERVER_PORT): Address already in use"
    ]


async def test_the_socket_of_a_killed_gateway_is_no_obstacle(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", http_socket=tmp_path / "socket") as gateway:
        await gateway.kill()
        await gateway.start()
        connector = aiohttp.UnixConnector(gateway.settings["http_socket"])
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.get("http://gateway/readyz") as answer,
        ):
            assert answer.status == 200


async def test_a_data_folder_that_can_not_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    refused = Gateway(tmp_path / "data", free_port(), {"data_dir": str(tmp_path / "file" / "data")})
    code, lines = await _refusal(refused)
    assert (code, len(lines)) == (1, 1)
    assert "GATEWAY_DATA_DIR" in lines[0]
    assert "Not a directory" in lines[0]


async def test_the_data_folder_is_open_to_its_owner_alone(gateway: Gateway) -> None:
    assert gateway.data_dir.stat().st_mode & 0o777 == 0o700


async def test_a_socket_that_is_in_use_stays_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with running_gateway(tmp_path / "data", http_socket=path):
        second = Gateway(tmp_path / "second", free_port(), {"http_socket": str(path)})
        code, lines = await _refusal(second)
        assert code == 1
        assert f"can't listen on the socket {path} (http.socket): Address already in use" in lines[-1]
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http,
            http.get("http://gateway/healthz") as answer,
        ):
            assert answer.status == 200


async def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("precious")
    code, lines = await _refusal(Gateway(tmp_path / "data", free_port(), {"http_socket": str(path)}))
    assert (code, path.read_text()) == (1, "precious")
    assert "File exists" in lines[-1]


async def test_a_stop_takes_its_socket_with_it(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with running_gateway(tmp_path / "data", http_socket=path) as gateway:
        assert path.is_socket()
        await gateway.stop()
        assert not path.exists()


async def test_a_host_that_does_not_exist_is_told(tmp_path: Path) -> None:
    code, lines = await _refusal(
        Gateway(tmp_path / "data", free_port(), {"http_host": "no-such-host.invalid"})
    )
    assert code == 1
    assert "there is no such host" in lines[-1]
