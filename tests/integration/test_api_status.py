"""GET of batches and images: what they show, and to whom they are nothing new."""

import asyncio
import gc
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.api.status_views import StatusView
from gateway.domain import transitions
from gateway.domain.job import Original
from tests import builders
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway

CLOSE = {"Connection": "close"}


async def json_of(quiet: QuietGateway, path: str, status: int = 200, **more: Any) -> Any:
    async with quiet.http.get(path, **more) as answer:
        assert answer.status == status
        return await answer.json(content_type=None)


async def test_a_new_batch_shows_all_its_images(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)

    shown = await json_of(quiet, f"/api/v1/batch/{job.job_id}")

    assert shown["status"] == "pending"
    assert [image["index"] for image in shown["images"]] == [0, 1]
    assert shown["progress"] == 0.0


async def test_fields_without_a_value_are_left_out(quiet: QuietGateway) -> None:
    job = await quiet.accept([builders.a_url_image()])

    shown = await json_of(quiet, f"/api/v1/batch/{job.job_id}")

    assert list(shown["images"][0]) == ["index", "original_filename", "status", "trace_id"]
    assert not {"started_at", "completed_at", "cancelled_at", "cancelled", "outcome", "retry_of"} & set(shown)


async def test_a_completed_image_shows_its_path_times_metadata_and_digest(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.complete(job.job_id, 0)

    image = await json_of(quiet, f"/api/v1/batch/{job.job_id}/images/0")

    metadata = builders.some_metadata()
    assert image["status"] == "completed"
    assert image["processed_path"] == f"{job.images[0].trace_id}/photo1.jpg"
    assert image["metadata"] == {
        "title": metadata.title,
        "description": metadata.description,
        "keywords": list(metadata.keywords),
    }
    assert image["sha256"] == "9f" * 32
    assert image["start_time"].endswith("Z")
    assert image["end_time"].endswith("Z")


async def test_a_failed_image_says_why_in_words_and_by_a_code(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.fail(job.job_id, 0)

    shown = await json_of(quiet, f"/api/v1/batch/{job.job_id}")

    assert shown["status"] == "failed"
    assert shown["images"][0]["code"] == "analysis_failed"
    assert shown["images"][0]["error"] == "The analyzer could not read it."


async def test_counts_progress_and_end_follow_the_images(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.complete(job.job_id, 0)
    halfway = await json_of(quiet, f"/api/v1/batch/{job.job_id}")
    await quiet.fail(job.job_id, 1)
    ended = await json_of(quiet, f"/api/v1/batch/{job.job_id}")

    assert (halfway["status"], halfway["completed"], halfway["progress"]) == ("processing", 1, 50.0)
    assert (ended["status"], ended["failed"], ended["progress"]) == ("completed", 1, 100.0)
    assert ended["completed_at"] == ended["updated_at"]


async def test_a_job_tells_when_it_began_and_once_it_has_ended_how_it_went(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.publish(job.job_id, 1)
    await quiet.publish(job.job_id, 0)
    await quiet.complete(job.job_id, 0)
    halfway = await json_of(quiet, f"/api/v1/batch/{job.job_id}")
    await quiet.fail(job.job_id, 1)
    ended = await json_of(quiet, f"/api/v1/batch/{job.job_id}")
    listed = await json_of(quiet, "/api/v1/batch")

    assert halfway["started_at"] == halfway["images"][1]["start_time"]
    assert "outcome" not in halfway
    assert (ended["outcome"], ended["started_at"]) == ("partial", halfway["started_at"])
    assert listed["jobs"] == [{name: value for name, value in ended.items() if name not in ("images", "id")}]


async def test_the_status_names_the_position_of_the_newest_event(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    before = await json_of(quiet, f"/api/v1/batch/{job.job_id}")
    job = await quiet.complete(job.job_id, 0)
    after = await json_of(quiet, f"/api/v1/batch/{job.job_id}")
    filtered = await json_of(quiet, f"/api/v1/batch/{job.job_id}?status=pending")

    epoch = quiet.context.job_store.epoch  # type: ignore[attr-defined]
    assert after["id"] == filtered["id"] == f"{epoch}:{job.seq}"
    assert before["id"] != after["id"]


async def test_a_cancelled_job_tells_when_it_was_cancelled(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))

    shown = await json_of(quiet, f"/api/v1/batch/{job.job_id}")

    assert (shown["outcome"], shown["cancelled_at"]) == ("cancelled", shown["completed_at"])


async def test_cancelled_images_are_counted(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))

    shown = await json_of(quiet, f"/api/v1/batch/{job.job_id}")

    assert (shown["status"], shown["cancelled"]) == ("cancelled", 2)


async def test_an_id_in_capitals_names_the_same_job(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    assert (await json_of(quiet, f"/api/v1/batch/{job.job_id.upper()}"))["job_id"] == job.job_id


@pytest.mark.parametrize(
    "job_id", ["550e8400-e29b-41d4-a716-446655440000", "no-uuid", "1", "%00", "..%2f..%2fetc"]
)
async def test_what_is_no_job_is_404(quiet: QuietGateway, job_id: str) -> None:
    problem = await json_of(quiet, f"/api/v1/batch/{job_id}", status=404)
    assert problem["code"] == "job_not_found"


@pytest.mark.parametrize("index", ["3", "-1", "x", "00", "1e0", "٠", "9999999999999999999"])
async def test_what_is_no_image_is_404(quiet: QuietGateway, index: str) -> None:
    job = await quiet.accept(images=3)
    problem = await json_of(quiet, f"/api/v1/batch/{job.job_id}/images/{index}", status=404)
    assert problem["code"] == "image_not_found"


class TestVersions:
    @pytest.fixture
    async def path(self, quiet: QuietGateway) -> str:
        job = await quiet.accept(images=2)
        return f"/api/v1/batch/{job.job_id}"

    async def etag(self, quiet: QuietGateway, path: str) -> str:
        async with quiet.http.get(path) as answer:
            assert answer.headers["Cache-Control"] == "no-cache"
            return answer.headers["ETag"]

    async def test_an_unchanged_job_is_304(self, quiet: QuietGateway, path: str) -> None:
        etag = await self.etag(quiet, path)
        async with quiet.http.get(path, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304
            assert answer.headers["ETag"] == etag
            assert await answer.read() == b""

    @pytest.mark.parametrize("known", ["*", "W/{}", '"other", {}'])
    async def test_weak_and_listed_tags_count(self, quiet: QuietGateway, path: str, known: str) -> None:
        etag = await self.etag(quiet, path)
        async with quiet.http.get(path, headers={"If-None-Match": known.format(etag)}) as answer:
            assert answer.status == 304

    async def test_a_change_of_the_job_is_a_new_version(self, quiet: QuietGateway, path: str) -> None:
        etag = await self.etag(quiet, path)
        await quiet.complete(path.rpartition("/")[2], 0)
        async with quiet.http.get(path, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 200
            assert (await answer.json())["completed"] == 1

    async def test_the_end_of_a_download_is_a_new_version(self, quiet: QuietGateway) -> None:
        """No event tells of it, but the image then shows its digest."""
        job = await quiet.accept([builders.a_url_image()])
        etag = await self.etag(quiet, f"/api/v1/batch/{job.job_id}")
        original = Original("k/original.jpg", "image/jpeg", 10, "ab" * 32)
        await quiet.change(job.job_id, lambda job: transitions.fetched(job, 0, original))

        headers = {"If-None-Match": etag}
        shown = await json_of(quiet, f"/api/v1/batch/{job.job_id}", headers=headers)
        assert shown["images"][0]["sha256"] == "ab" * 32

    async def test_another_version_of_the_same_job_is_written_from_its_images(
        self, quiet: QuietGateway, path: str
    ) -> None:
        """Images that did not change are not written anew: their JSON must stay in its place."""
        before = await json_of(quiet, path)
        await quiet.complete(path.rpartition("/")[2], 1)
        after = await json_of(quiet, path)
        assert after["images"][0] == before["images"][0]
        assert after["images"][1]["status"] == "completed"

    async def test_head_shows_the_headers_alone(self, quiet: QuietGateway, path: str) -> None:
        async with quiet.http.get(path) as whole, quiet.http.head(path) as head:
            assert head.headers["ETag"] == whole.headers["ETag"]
            assert head.headers["Content-Length"] == str(len(await whole.read()))
            assert await head.read() == b""


class TestLists:
    async def test_an_empty_list_says_so(self, quiet: QuietGateway) -> None:
        assert await json_of(quiet, "/api/v1/batch") == {"jobs": [], "total": 0}

    async def test_newest_first_without_images(self, quiet: QuietGateway) -> None:
        jobs = [await quiet.accept(images=1) for _ in range(3)]
        shown = await json_of(quiet, "/api/v1/batch")
        assert [job["job_id"] for job in shown["jobs"]] == [job.job_id for job in reversed(jobs)]
        assert not any("images" in job for job in shown["jobs"])

    async def test_pages_lead_through_all_jobs_once(self, quiet: QuietGateway) -> None:
        jobs = [await quiet.accept(images=1) for _ in range(5)]
        seen: list[str] = []
        query = {"limit": "2"}
        while True:
            page = await json_of(quiet, "/api/v1/batch", params=query)
            assert page["total"] == 5
            seen += [job["job_id"] for job in page["jobs"]]
            if "next_cursor" not in page:
                break
            query["cursor"] = page["next_cursor"]
        assert seen == [job.job_id for job in reversed(jobs)]

    async def test_only_those_of_a_status(self, quiet: QuietGateway) -> None:
        await quiet.accept(images=1)
        done = await quiet.accept(images=1)
        await quiet.complete(done.job_id, 0)
        shown = await json_of(quiet, "/api/v1/batch", params={"status": "completed"})
        assert [job["job_id"] for job in shown["jobs"]] == [done.job_id]
        assert shown["total"] == 1

    async def test_with_images_a_listed_job_is_its_status(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=2)
        shown = await json_of(quiet, "/api/v1/batch", params={"images": "true"})
        assert shown["jobs"] == [await json_of(quiet, f"/api/v1/batch/{job.job_id}")]

    async def test_with_images_a_page_is_bounded(self, quiet: QuietGateway) -> None:
        await asyncio.gather(*(quiet.accept(images=1) for _ in range(51)))
        shown = await json_of(quiet, "/api/v1/batch", params={"images": "true", "limit": "500"})
        assert len(shown["jobs"]) == 50
        assert "next_cursor" in shown

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": "0"},
            {"limit": "501"},
            {"limit": "-1"},
            {"limit": "ten"},
            {"limit": ""},
            {"limit": "9" * 5000},
            {"status": "done"},
            {"images": "yes"},
            {"images": "True"},
        ],
    )
    async def test_a_wrong_parameter_is_400_and_named(
        self, quiet: QuietGateway, query: dict[str, str]
    ) -> None:
        problem = await json_of(quiet, "/api/v1/batch", status=400, params=query)
        assert problem["code"] == "bad_parameter"
        assert next(iter(query)) in problem["detail"]

    @pytest.mark.parametrize(("name", "meant"), [("image", "images"), ("Limit", "limit"), ("_", None)])
    async def test_a_misspelt_parameter_is_400_and_any_other_is_ignored(
        self, quiet: QuietGateway, name: str, meant: str | None
    ) -> None:
        answer = await json_of(quiet, "/api/v1/batch", status=400 if meant else 200, params={name: "1"})
        if meant:
            assert answer["code"] == "unknown_parameter"
            assert answer["detail"] == f"There is no parameter {name!r} here, but there is {meant}."

    async def test_a_cursor_that_was_not_given_is_400(self, quiet: QuietGateway) -> None:
        problem = await json_of(quiet, "/api/v1/batch", status=400, params={"cursor": "made up"})
        assert problem["code"] == "bad_cursor"

    async def test_an_empty_cursor_is_the_first_page(self, quiet: QuietGateway) -> None:
        await quiet.accept()
        page = await json_of(quiet, "/api/v1/batch", params={"cursor": ""})
        assert len(page["jobs"]) == 1

    async def test_unknown_parameters_are_ignored(self, quiet: QuietGateway) -> None:
        await json_of(quiet, "/api/v1/batch", params={"colour": "blue"})


async def test_one_job_that_is_read_by_many_at_once_is_the_same_for_all(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=100)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{quiet.port}") as other:

        async def read() -> bytes:
            async with other.get(f"/api/v1/batch/{job.job_id}") as answer:
                return await answer.read()

        assert len(set(await asyncio.gather(*(read() for _ in range(20))))) == 1


class TestStoredAnswers:
    """Clients that poll get their answers in one piece; nothing of them may differ from the ordinary ones."""

    async def test_a_connection_that_stays_open_gets_what_one_that_closes_gets(
        self, quiet: QuietGateway
    ) -> None:
        job = await quiet.accept(images=2)
        path = f"/api/v1/batch/{job.job_id}"
        async with quiet.http.get(path) as stored, quiet.http.get(path, headers=CLOSE) as ordinary:
            assert await stored.read() == await ordinary.read()
            ignored = {"Date", "Server", "Connection"}
            assert {*stored.headers} - ignored == {*ordinary.headers} - ignored
            assert all(stored.headers[name] == ordinary.headers[name] for name in {*stored.headers} - ignored)
            assert "Date" in stored.headers
            etag = {"If-None-Match": stored.headers["ETag"]}
        async with (
            quiet.http.get(path, headers=etag) as stored,
            quiet.http.get(path, headers=etag | CLOSE) as ordinary,
        ):
            assert stored.status == ordinary.status == 304
            assert {*stored.headers} - ignored == {*ordinary.headers} - ignored

    async def test_many_requests_on_one_connection_are_answered_in_order(self, quiet: QuietGateway) -> None:
        jobs = [await quiet.accept(images=1) for _ in range(20)]
        reader, writer = await asyncio.open_connection("127.0.0.1", quiet.port)
        for job in jobs:
            writer.write(f"GET /api/v1/batch/{job.job_id} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for job in jobs:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            assert orjson.loads(await reader.readexactly(length))["job_id"] == job.job_id
        writer.close()

    @pytest.mark.parametrize("request_line", ["GET {} HTTP/1.0", "HEAD {} HTTP/1.1"])
    async def test_http_1_0_and_head_are_answered_in_the_ordinary_way(
        self, quiet: QuietGateway, request_line: str
    ) -> None:
        job = await quiet.accept(images=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", quiet.port)
        line = request_line.format(f"/api/v1/batch/{job.job_id}")
        writer.write(f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert answer.split()[1] == b"200"
        assert answer.endswith(b"}") == line.startswith("GET")
        writer.close()


async def test_of_a_job_that_is_deleted_no_answer_is_kept(quiet: QuietGateway) -> None:
    def kept() -> list[str]:
        views = [each for each in gc.get_objects() if isinstance(each, StatusView)]
        return [view.etag for view in views if view.job.job_id == job.job_id]

    job = await quiet.accept(images=2)
    await json_of(quiet, f"/api/v1/batch/{job.job_id}")
    assert len(kept()) == 1
    await quiet.ledger.delete(job.job_id)
    async with asyncio.timeout(PATIENCE_S):
        while kept():
            await asyncio.sleep(0.05)
