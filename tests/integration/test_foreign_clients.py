"""Following jobs with clients that others have written, as they come: `websockets`, curl, Python's standard library."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect as connect_and_block

from gateway.api.live.audience import LEAVE_S
from gateway.domain.job import Job
from gateway.events.settings import SubscriberSettings
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.websocket import by_hand
from tests.websocket.client import asking
from tests.websocket.frames import CLOSE, PING, TEXT, Frame, heard
from tests.websocket.standing import standing_job

BEATS = 5
"""Who answers none of them hears fewer."""
UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


def uri_of(quiet: QuietGateway, job: Job, query: str = "") -> str:
    return f"ws://127.0.0.1:{quiet.port}{path_of(job)}{query}"


def path_of(job: Job) -> str:
    return f"/api/v1/batch/{job.job_id}/ws"


async def end(quiet: QuietGateway, job: Job) -> None:
    for index in range(len(job.images)):
        await quiet.complete(job.job_id, index)


@pytest.fixture
async def lively(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """Its heartbeat is quick, and leaves a client in a process of its own the time to answer."""
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(heartbeat_s=1)) as gateway:
        yield gateway


class TestWebsockets:
    async def told(self, connection: ClientConnection) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, Any] = json.loads(await connection.recv(decode=True))
        return message

    async def test_it_follows_a_job_to_its_end(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=2)
        async with connect(uri_of(quiet, job)) as connection, asyncio.timeout(PATIENCE_S):
            types = [(await self.told(connection))["type"]]
            await end(quiet, job)
            types += [json.loads(message)["type"] async for message in connection]
        assert (types[0], types[-1]) == ("progress", "job_complete")
        assert types.count("image_complete") == 2

    async def test_the_end_is_no_error_to_it(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        await end(quiet, job)
        async with connect(uri_of(quiet, job)) as connection, asyncio.timeout(PATIENCE_S):
            assert [(await self.told(connection))["type"] for _ in range(2)] == ["progress", "job_complete"]
            with pytest.raises(ConnectionClosedOK):
                await connection.recv()
            await connection.wait_closed()
            assert connection.close_code == 1000

    async def test_it_goes_on_where_it_stopped(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=3)
        async with connect(uri_of(quiet, job)) as connection:
            seen = (await self.told(connection))["id"]
        await end(quiet, job)
        async with connect(uri_of(quiet, job, f"?after={seen}")) as connection, asyncio.timeout(PATIENCE_S):
            opening, *others = [json.loads(message) async for message in connection]
        assert (opening["resumed"], opening["id"]) == (True, seen)
        assert [told["image"]["index"] for told in others[:-1]] == [0, 1, 2]

    async def test_it_comes_back_by_itself_over_a_sigkill(self, tmp_path: Path) -> None:
        async with standing_job(tmp_path / "data") as job, asyncio.timeout(3 * PATIENCE_S):
            lives, types = 0, list[str]()
            async for connection in connect(f"ws://127.0.0.1:{job.gateway.port}{job.path}"):
                types.append((await self.told(connection))["type"])
                lives += 1
                if lives == 1:
                    await job.gateway.kill()
                    await job.gateway.start()
                else:
                    job.go_on()
                    types += [json.loads(message)["type"] async for message in connection]
                    break
        assert types[:2] == ["progress", "progress"]
        assert types[-2:] == ["image_complete", "job_complete"]

    async def test_it_agrees_on_no_compression(self, quiet: QuietGateway) -> None:
        async with connect(uri_of(quiet, await quiet.accept()), compression="deflate") as connection:
            assert connection.protocol.extensions == []

    async def test_its_pings_are_answered(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with connect(uri_of(quiet, job), ping_interval=0.05, ping_timeout=PATIENCE_S) as connection:
            async with asyncio.timeout(PATIENCE_S):
                while connection.latency == 0:
                    await (await connection.ping())
            await end(quiet, job)
            assert [json.loads(message)["type"] async for message in connection][-1] == "job_complete"

    async def test_it_answers_ours_without_being_asked_to(self, lively: QuietGateway) -> None:
        """Who gave no sign of life for two heartbeats would be sent away."""
        job = await lively.accept()
        async with connect(uri_of(lively, job), ping_interval=None) as connection:
            repeated = [(await self.told(connection))["type"] for _ in range(BEATS)]
            await end(lively, job)
            assert repeated == ["progress"] * BEATS
            assert [json.loads(message)["type"] async for message in connection][-1] == "job_complete"

    async def test_it_is_told_when_the_gateway_stops_which_waits_for_its_answer_alone(
        self, quiet: QuietGateway
    ) -> None:
        """It answers, and leaves it to the gateway to close, as section 7.1.1 of RFC 6455 has it."""
        async with connect(uri_of(quiet, await quiet.accept())) as connection:
            await self.told(connection)
            async with asyncio.timeout(LEAVE_S):
                await quiet.stop_doors()
            with pytest.raises(ConnectionClosedOK) as goodbye:
                await connection.recv()
        assert goodbye.value.rcvd is not None
        assert goodbye.value.rcvd.code == 1001

    async def test_its_own_goodbye_is_answered(self, quiet: QuietGateway) -> None:
        async with connect(uri_of(quiet, await quiet.accept())) as connection:
            await connection.close(4001, "enough")
        assert connection.protocol.close_rcvd is not None
        assert connection.protocol.close_rcvd.code in (1000, 4001)

    async def test_it_is_told_what_it_did_wrong(self, quiet: QuietGateway) -> None:
        async with connect(uri_of(quiet, await quiet.accept())) as connection:
            await self.told(connection)
            await connection.send("x" * 100_000)
            with pytest.raises(ConnectionClosedError) as goodbye:
                await connection.recv()
        assert goodbye.value.rcvd is not None
        assert goodbye.value.rcvd.code == 1009

    async def test_an_unknown_job_is_told_by_the_status(self, quiet: QuietGateway) -> None:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(f"ws://127.0.0.1:{quiet.port}/api/v1/batch/{UNKNOWN}/ws")
        assert refusal.value.response.status_code == 404
        assert json.loads(refusal.value.response.body)["code"] == "job_not_found"

    async def test_it_follows_many_jobs(self, quiet: QuietGateway) -> None:
        jobs = [await quiet.accept(images=1) for _ in range(3)]
        ended: set[str] = set()
        async with (
            connect(f"ws://127.0.0.1:{quiet.port}/api/v1/ws") as connection,
            asyncio.timeout(PATIENCE_S),
        ):
            for job in jobs:
                await connection.send(json.dumps({"type": "subscribe", "job_id": job.job_id}))
                assert [(await self.told(connection))["type"] for _ in range(2)] == ["subscribed", "progress"]
            for job in jobs:
                await end(quiet, job)
            while len(ended) < len(jobs):
                told = await self.told(connection)
                if told["type"] == "job_complete":
                    ended.add(told["job_id"])
        assert ended == {job.job_id for job in jobs}

    async def test_it_follows_in_a_thread_too(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)

        def follow() -> list[str]:
            with connect_and_block(uri_of(quiet, job, "?after=0")) as connection:
                return [json.loads(message)["type"] for message in connection]

        following = asyncio.create_task(asyncio.to_thread(follow))
        await end(quiet, job)
        async with asyncio.timeout(PATIENCE_S):
            assert (await following)[-2:] == ["image_complete", "job_complete"]


class TestCurl:
    """Which knows of no WebSocket, but of switching protocols."""

    async def test_it_shows_the_frames_as_they_come(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        _, *headers = asking(path_of(job)).decode().split("\r\n")
        sent = [part for line in headers if line for part in ("-H", line)]
        process = await asyncio.create_subprocess_exec(
            "curl",
            "-sSN",
            *sent,
            f"http://127.0.0.1:{quiet.port}{path_of(job)}",
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            frames = [await heard(process.stdout)]
            await end(quiet, job)
            while (told := await heard(process.stdout)) is not None:
                frames.append(told)
            assert await process.wait() == 0
        *told_all, goodbye = [frame for frame in frames if frame is not None and frame.opcode != PING]
        assert [self.type_of(told) for told in told_all][-2:] == ["image_complete", "job_complete"]
        assert (goodbye.opcode, goodbye.close_code) == (CLOSE, 1000)

    def type_of(self, told: Frame) -> str:
        assert told.opcode == TEXT
        return str(json.loads(told.payload)["type"])

    async def test_it_follows_events_to_their_end(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        url = f"http://127.0.0.1:{quiet.port}/api/v1/batch/{job.job_id}/events"
        process = await asyncio.create_subprocess_exec("curl", "-sSN", url, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while not (await process.stdout.readline()).startswith(b"data:"):
                pass
            await end(quiet, job)
            rest = await process.stdout.read()
            assert await process.wait() == 0
        lines = [line.removeprefix(b"data: ") for line in rest.splitlines() if line.startswith(b"data: ")]
        assert [json.loads(line)["type"] for line in lines] == ["image_complete", "job_complete"]


class TestStandardLibrary:
    async def test_it_follows_a_job_to_its_end(self, lively: QuietGateway) -> None:
        job = await lively.accept(images=1)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", by_hand.__file__, "127.0.0.1", str(lively.port), path_of(job),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(BEATS):
                assert json.loads(await process.stdout.readline())["type"] == "progress"
            await end(lively, job)
            *_, last, closed = (await process.stdout.read()).splitlines()
            assert await process.wait() == 0
        assert json.loads(last)["type"] == "job_complete"
        assert closed == b"closed 1000"
