"""Following a job by server-sent events: what comes, from where on, and how it ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain import transitions
from gateway.domain.job import Failure, Job
from gateway.events.settings import SubscriberSettings
from gateway.settings import HttpSettings
from tests.following import follow
from tests.integration.live.jobs_socket import rename
from tests.integration.live.refusals import refusal
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import SHUTDOWN_S, QuietGateway, quiet_gateway
from tests.servers.raw_http import connection, head
from tests.streamed_answers import ServerSentEvent, StreamedAnswer, asked, streamed

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
VERSIONS = ("1.1", "1.0")


def path_of(job: Job, query: str = "") -> str:
    return f"/api/v1/batch/{job.job_id}/events{query}"


async def an_ended_job(quiet: QuietGateway, images: int = 2) -> Job:
    job = await quiet.accept(images)
    for index in range(images):
        job = await quiet.complete(job.job_id, index)
    return job


async def heard(answer: StreamedAnswer) -> ServerSentEvent:
    event = await answer.event()
    assert event is not None
    return event


async def all_events(quiet: QuietGateway, path: str, *headers: tuple[str, str]) -> list[ServerSentEvent]:
    async with streamed(quiet.port, path, *headers) as answer:
        assert answer.status == 200
        return await answer.events()


class TestWhatComes:
    @pytest.mark.parametrize("version", VERSIONS)
    async def test_the_state_comes_first_then_every_change_and_with_the_end_of_the_job_the_answer_ends(
        self, quiet: QuietGateway, version: str
    ) -> None:
        job = await quiet.accept(images=2)
        async with streamed(quiet.port, path_of(job), version=version) as answer:
            first = await heard(answer)
            await quiet.complete(job.job_id, 0)
            second = await heard(answer)
            await quiet.fail(job.job_id, 1)
            others = await answer.events()
        assert (first.kind, first.json["resumed"], first.json["status"]) == ("progress", False, "pending")
        assert (second.kind, second.json["image"]["index"]) == ("image_complete", 0)
        assert [other.kind for other in others][-2:] == ["image_complete", "job_complete"]

    async def test_an_event_comes_when_its_change_does_and_not_with_the_next_one(
        self, quiet: QuietGateway
    ) -> None:
        job = await quiet.accept(images=3)
        async with streamed(quiet.port, path_of(job)) as answer:
            await heard(answer)
            for index in range(2):
                await quiet.complete(job.job_id, index)
                assert (await heard(answer)).json["image"]["index"] == index

    async def test_they_are_the_frames_of_the_websocket(self, quiet: QuietGateway) -> None:
        job = await an_ended_job(quiet)
        events = await all_events(quiet, path_of(job, "?after=0"))
        over_websocket = await follow(quiet.http, "", job.job_id, after="0")
        assert [event.json for event in events] == over_websocket.frames

    async def test_each_says_its_type_and_its_position(self, quiet: QuietGateway) -> None:
        job = await an_ended_job(quiet)
        for event in await all_events(quiet, path_of(job, "?after=0")):
            assert (event.kind, event.id) == (event.json["type"], event.json["id"])

    async def test_the_time_to_come_back_after_is_said_once(self, quiet: QuietGateway) -> None:
        job = await an_ended_job(quiet)
        retries = [event.retry for event in await all_events(quiet, path_of(job))]
        assert retries == ["2000", *[None] * (len(retries) - 1)]

    async def test_its_head_keeps_everybody_on_the_way_from_holding_it_back(
        self, quiet: QuietGateway
    ) -> None:
        job = await quiet.accept()
        async with streamed(quiet.port, path_of(job)) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-accel-buffering"] == "no"
            assert answer.headers["access-control-allow-origin"] == "*"

    async def test_images_are_shown_at_first_if_they_are_asked_for(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=2)
        async with streamed(quiet.port, path_of(job, "?images=true")) as answer:
            first = await heard(answer)
        async with quiet.http.get(f"/api/v1/batch/{job.job_id}") as status:
            assert first.json["images"] == (await status.json())["images"]

    async def test_no_text_breaks_a_line(self, quiet: QuietGateway) -> None:
        text = "a\nb\rc\r\nd\u2028e\n\nevent: job_complete\ndata: {}\n\n"
        job = await quiet.accept(images=1)
        await quiet.change(
            job.job_id, lambda job: transitions.fail(job, 0, Failure("x", text), job.updated_at)
        )
        events = await all_events(quiet, path_of(job, "?after=0"))
        assert [event.kind for event in events] == ["progress", "image_complete", "job_complete"]
        assert events[1].json["image"]["error"] == text

    async def test_in_silence_there_is_a_sign_of_life_that_is_no_event_of_the_job(
        self, tmp_path: Path
    ) -> None:
        settings = SubscriberSettings(heartbeat_s=0.2)
        async with quiet_gateway(tmp_path, subscribers=settings) as gateway:
            job = await gateway.accept()
            async with streamed(gateway.port, path_of(job)) as answer:
                assert (await heard(answer)).json["heartbeat_s"] == 0.2
                for sign in [await heard(answer), await heard(answer)]:
                    assert (sign.kind, sign.id) == ("heartbeat", None)
                    assert list(sign.json) == ["type", "job_id", "timestamp"]
                    assert (sign.json["type"], sign.json["job_id"]) == ("heartbeat", job.job_id)


class TestWhereItBegins:
    async def test_behind_the_event_that_was_seen(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=3)
        async with streamed(quiet.port, path_of(job)) as answer:
            seen = (await heard(answer)).id
        for index in range(3):
            await quiet.complete(job.job_id, index)
        opening, *others = await all_events(quiet, path_of(job, f"?after={seen}"))
        assert (opening.kind, opening.id, opening.json["resumed"]) == ("progress", seen, True)
        assert [event.json.get("image", {}).get("index") for event in others] == [0, 1, 2, None]

    async def test_what_a_browser_says_when_it_comes_back_is_stronger_than_the_address(
        self, quiet: QuietGateway
    ) -> None:
        job = await an_ended_job(quiet, images=3)
        events = await all_events(quiet, path_of(job, "?after=0"))
        again = await all_events(quiet, path_of(job, "?after=0"), ("Last-Event-ID", events[2].id or ""))
        assert [event.id for event in again] == [event.id for event in events[2:]]

    @pytest.mark.parametrize("after", ["nonsense", "other:3", "0:", "-1", "4" * 5000])
    async def test_with_the_present_state_where_the_position_is_unknown(
        self, quiet: QuietGateway, after: str
    ) -> None:
        job = await quiet.accept()
        async with streamed(quiet.port, path_of(job), ("Last-Event-ID", after)) as answer:
            assert (await heard(answer)).json["resumed"] is False

    async def test_an_ended_job_is_told_with_its_end(self, quiet: QuietGateway) -> None:
        job = await an_ended_job(quiet)
        events = await all_events(quiet, path_of(job))
        assert [event.kind for event in events] == ["progress", "job_complete"]

    async def test_who_lost_the_connection_before_the_end_of_an_ended_job_gets_that_end(
        self, quiet: QuietGateway
    ) -> None:
        """The first event shows the last state, but a browser must not say that it has seen all."""
        job = await an_ended_job(quiet)
        first, last = await all_events(quiet, path_of(job))
        assert first.json["id"] == last.id
        again = await all_events(quiet, path_of(job), ("Last-Event-ID", first.id or ""))
        assert again[-1] == last

    @pytest.mark.parametrize("by_header", [True, False])
    async def test_who_has_seen_the_end_is_told_not_to_come_again(
        self, quiet: QuietGateway, by_header: bool
    ) -> None:
        job = await an_ended_job(quiet)
        last = (await all_events(quiet, path_of(job)))[-1].id or ""
        headers = {"Last-Event-ID": last} if by_header else {}
        query = "" if by_header else f"?after={last}"
        async with quiet.http.get(path_of(job, query), headers=headers) as answer:
            assert (answer.status, await answer.read()) == (204, b"")
            assert answer.headers["Cache-Control"] == "no-store"


class TestRefusals:
    @pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense"])
    async def test_an_unknown_job(self, quiet: QuietGateway, job_id: str) -> None:
        assert await refusal(quiet, f"/api/v1/batch/{job_id}/events") == (404, "job_not_found")

    async def test_a_flag_that_is_none(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        assert await refusal(quiet, path_of(job, "?images=yes")) == (400, "bad_parameter")

    async def test_a_parameter_that_is_misspelt(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        assert await refusal(quiet, path_of(job, "?image=true")) == (400, "unknown_parameter")

    async def test_its_head_alone(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with quiet.http.head(path_of(job)) as answer:
            assert answer.status == 405

    async def test_a_gateway_that_stops(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        quiet.context.background.ask_to_stop()
        assert await refusal(quiet, path_of(job)) == (503, "stopping")

    async def test_one_more_than_there_are_places(self, tmp_path: Path) -> None:
        async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_per_job=1)) as gateway:
            job, other = await gateway.accept(), await gateway.accept()
            async with streamed(gateway.port, path_of(job)), streamed(gateway.port, path_of(other)) as free:
                assert free.status == 200
                async with gateway.http.get(path_of(job)) as answer:
                    assert answer.status == 429
                    assert int(answer.headers["Retry-After"]) > 0
                    assert (await answer.json(content_type=None))["code"] == "too_many_subscribers"

    async def test_pages_of_other_sites_may_say_where_they_stopped(self, tmp_path: Path) -> None:
        http = HttpSettings(cors_origins=("https://app.example.com",))
        async with quiet_gateway(tmp_path, http=http) as gateway:
            job = await gateway.accept()
            asked_for = {
                "Origin": "https://app.example.com",
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "last-event-id",
            }
            async with gateway.http.options(path_of(job), headers=asked_for) as answer:
                assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
                assert "last-event-id" in answer.headers["Access-Control-Allow-Headers"]


@pytest.fixture
async def with_one_place(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_connections=1)) as gateway:
        yield gateway


async def until_free(quiet: QuietGateway, path: str) -> None:
    """Until there is a place again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with streamed(quiet.port, path) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.01)


class TestTheConnection:
    async def test_it_may_be_used_for_more_after_the_end(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        async with connection(quiet.port) as line:
            answer = await asked(line, path_of(job))
            await quiet.complete(job.job_id, 0)
            assert (await answer.events())[-1].kind == "job_complete"
            assert (await (await asked(line, path_of(job))).events())[-1].kind == "job_complete"
            await line.send(head("GET", f"/api/v1/batch/{job.job_id}"))
            assert (await line.answer()).json["status"] == "completed"

    async def test_what_was_asked_meanwhile_is_answered_after_the_end(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        async with connection(quiet.port) as line:
            answer = await asked(line, path_of(job), body=head("GET", f"/api/v1/batch/{job.job_id}") * 40)
            await heard(answer)
            await quiet.complete(job.job_id, 0)
            assert (await answer.events())[-1].kind == "job_complete"
            for _ in range(40):
                assert (await line.answer()).json["status"] == "completed"

    async def test_over_http_1_0_it_ends_with_the_answer(self, quiet: QuietGateway) -> None:
        job = await an_ended_job(quiet)
        async with streamed(quiet.port, path_of(job), ("Connection", "keep-alive"), version="1.0") as answer:
            assert "transfer-encoding" not in answer.headers
            assert (await answer.events())[-1].kind == "job_complete"
            assert answer.line.reader.at_eof()

    async def test_a_dead_one_is_found_within_a_minute_and_after_the_end_all_is_as_it_was(
        self, quiet: QuietGateway
    ) -> None:
        """The sign of life comes after 20 s at most, and may then be unconfirmed for 40."""
        job = await quiet.accept(images=1)
        async with streamed(quiet.port, path_of(job)) as answer:
            await heard(answer)
            assert kernel_has(quiet, answer, socket.TCP_USER_TIMEOUT) == 40_000
            await quiet.complete(job.job_id, 0)
            await answer.events()
            await answer.line.send(head("GET", f"/api/v1/batch/{job.job_id}"))
            await answer.line.answer()
            assert kernel_has(quiet, answer, socket.TCP_USER_TIMEOUT) == 60_000
            assert kernel_has(quiet, answer, socket.TCP_NOTSENT_LOWAT) == 0

    @pytest.mark.parametrize("version", VERSIONS)
    async def test_a_client_that_leaves_frees_its_place_at_once(
        self, with_one_place: QuietGateway, version: str
    ) -> None:
        job = await with_one_place.accept()
        async with streamed(with_one_place.port, path_of(job), version=version) as answer:
            await heard(answer)
            async with streamed(with_one_place.port, path_of(job)) as other:
                assert other.status == 429
        await until_free(with_one_place, path_of(job))

    async def test_a_client_that_only_stops_sending_frees_it_too(self, with_one_place: QuietGateway) -> None:
        job = await with_one_place.accept()
        async with streamed(with_one_place.port, path_of(job)) as answer:
            await heard(answer)
            answer.line.writer.write_eof()
            await until_free(with_one_place, path_of(job))

    async def test_the_end_of_the_answer_frees_it_while_the_connection_stays(
        self, with_one_place: QuietGateway
    ) -> None:
        job = await an_ended_job(with_one_place)
        async with streamed(with_one_place.port, path_of(job)) as answer:
            await answer.events()
            await until_free(with_one_place, path_of(job))


class TestTheEnd:
    @pytest.mark.parametrize("version", VERSIONS)
    async def test_a_gateway_that_stops_ends_the_answer_and_spreads_those_who_come_back(
        self, quiet: QuietGateway, version: str
    ) -> None:
        job = await quiet.accept()
        async with streamed(quiet.port, path_of(job), version=version) as answer:
            await heard(answer)
            async with asyncio.timeout(SHUTDOWN_S - 1):
                await quiet.stop_doors()
            (last,) = await answer.events()
        assert 500 <= int(last.retry or 0) <= 5000
        assert (last.id, last.data) == (None, "")

    async def test_nobody_comes_back_on_the_connection_while_others_are_still_being_sent_away(
        self, quiet: QuietGateway
    ) -> None:
        """It would be refused, and a browser that is refused does not come again."""
        job = await quiet.accept()
        silent = quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws")
        async with silent, streamed(quiet.port, path_of(job)) as answer:
            await heard(answer)
            stopping = asyncio.create_task(quiet.stop_doors())
            await answer.events()
            await answer.line.ended()
            assert not stopping.done()
            await stopping

    async def test_a_log_that_can_not_be_read_now_ends_it_and_it_is_gone_on_with_later(
        self, quiet: QuietGateway, tmp_path: Path
    ) -> None:
        job = await quiet.accept()
        await quiet.publish(job.job_id, 0)
        rename(tmp_path, "events", "elsewhere")
        (opening,) = await all_events(quiet, path_of(job, "?after=0"))
        rename(tmp_path, "elsewhere", "events")
        async with streamed(quiet.port, path_of(job), ("Last-Event-ID", opening.id)) as answer:
            assert [(await heard(answer)).json["status"] for _ in range(2)] == ["pending", "processing"]

    async def test_the_deletion_of_the_job_ends_it_and_then_there_is_nothing_to_come_back_to(
        self, quiet: QuietGateway
    ) -> None:
        job = await quiet.accept()
        async with streamed(quiet.port, path_of(job)) as answer:
            await heard(answer)
            await deleted(quiet, job)
            assert await answer.events() == []
        assert await refusal(quiet, path_of(job)) == (404, "job_not_found")


def kernel_has(quiet: QuietGateway, answer: StreamedAnswer, option: int) -> int:
    """What was set for our end of the connection (tcp(7))."""
    server, client = quiet.runner.server, answer.line.writer.get_extra_info("sockname")
    assert server is not None
    transports = [each.transport for each in server.connections if each.transport is not None]
    (ours,) = (each for each in transports if each.get_extra_info("peername") == client)
    value: int = ours.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, option)
    return value


async def deleted(quiet: QuietGateway, job: Job) -> None:
    """As the cleaner does it."""
    await quiet.ledger.delete(job.job_id)
