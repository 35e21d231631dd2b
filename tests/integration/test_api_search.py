"""Images found by keyword and status: over all batches, and within one."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest
from yarl import URL

from gateway.domain import transitions
from gateway.domain.job import Job
from gateway.metadata import Metadata
from tests import builders
from tests.servers.quiet_gateway import QuietGateway

IMAGES = "/api/v1/images"

Query = Mapping[str, str] | Sequence[tuple[str, str]]


async def json_of(quiet: QuietGateway, path: str, query: Query = (), status: int = 200, **more: Any) -> Any:
    async with quiet.http.get(path, params=query, **more) as answer:
        assert answer.status == status
        return await answer.json(content_type=None)


async def tag(quiet: QuietGateway, job: Job, index: int, *keywords: str, writer: str = "") -> None:
    words = Metadata("Title", "Description", keywords, writer)
    await quiet.change(
        job.job_id,
        lambda job: transitions.attempt_completed(
            job, builders.attempt_of(job, index), "a/b.jpg", words, builders.NOW
        ),
    )


@pytest.fixture
async def jobs(quiet: QuietGateway) -> tuple[Job, Job]:
    """In the first one a dog, a dog at the beach and an image that failed; in the second one a beach, and one open."""
    first, second = await quiet.accept(images=3), await quiet.accept(images=2)
    await tag(quiet, first, 0, "Dog", "garden")
    await tag(quiet, first, 1, "dog", "beach")
    await quiet.fail(first.job_id, 2)
    await tag(quiet, second, 0, "beach")
    return first, second


class TestAllBatches:
    async def test_images_with_a_keyword_are_found_newest_first(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        first, second = jobs
        found = await json_of(quiet, IMAGES, {"keyword": "BEACH"})
        assert [(image["job_id"], image["index"]) for image in found["images"]] == [
            (second.job_id, 0),
            (first.job_id, 1),
        ]
        assert found["total"] == 2
        assert "next_cursor" not in found

    async def test_an_image_is_shown_as_everywhere_with_its_job(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        job_id = jobs[1].job_id
        (image,) = (await json_of(quiet, IMAGES, {"keyword": "beach", "limit": "1"}))["images"]
        assert image == {"job_id": job_id, **await json_of(quiet, f"/api/v1/batch/{job_id}/images/0")}

    async def test_several_keywords_are_all_demanded(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        found = await json_of(quiet, IMAGES, [("keyword", "dog"), ("keyword", "beach")])
        assert [(image["job_id"], image["index"]) for image in found["images"]] == [(jobs[0].job_id, 1)]

    @pytest.mark.usefixtures("jobs")
    @pytest.mark.parametrize(
        ("query", "total"),
        [
            ({}, 5),
            ({"status": "completed"}, 3),
            ({"status": "failed"}, 1),
            ({"status": "pending"}, 1),
            ({"status": "cancelled"}, 0),
            ({"keyword": "dog", "status": "completed"}, 2),
            ({"keyword": "dog", "status": "failed"}, 0),
            ({"keyword": "cat"}, 0),
        ],
    )
    async def test_status_and_keyword_say_which_images(
        self, quiet: QuietGateway, query: dict[str, str], total: int
    ) -> None:
        found = await json_of(quiet, IMAGES, query)
        assert (found["total"], len(found["images"])) == (total, total)

    async def test_pages_lead_through_all_images_once(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        seen: list[tuple[str, int]] = []
        query = {"limit": "2", "cursor": ""}
        while True:
            page = await json_of(quiet, IMAGES, query)
            assert page["total"] == 5
            seen += [(image["job_id"], image["index"]) for image in page["images"]]
            if "next_cursor" not in page:
                break
            query["cursor"] = page["next_cursor"]
        first, second = jobs
        assert sorted(seen) == sorted(
            [*((first.job_id, index) for index in range(3)), *((second.job_id, index) for index in range(2))]
        )

    async def test_a_page_has_fifty_images_unless_it_is_asked_for_more(self, quiet: QuietGateway) -> None:
        await quiet.accept(images=60)
        assert len((await json_of(quiet, IMAGES))["images"]) == 50
        assert len((await json_of(quiet, IMAGES, {"limit": "500"}))["images"]) == 60

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": "0"},
            {"limit": "501"},
            {"status": "done"},
            {"status": ""},
            {"keyword": ""},
            {"keyword": " \t"},
            {"keyword": "k" * 201},
            [("keyword", "dog")] * 11,
            [("keyword", "dog"), ("keyword", "")],
        ],
    )
    async def test_a_wrong_parameter_is_400_and_named(self, quiet: QuietGateway, query: Query) -> None:
        problem = await json_of(quiet, IMAGES, query, status=400)
        assert problem["code"] == "bad_parameter"
        assert dict(query).popitem()[0] in problem["detail"]

    @pytest.mark.parametrize("name", ["keywords", "colour", "Keyword", ""])
    async def test_an_unknown_parameter_is_400_for_all_images_would_be_a_wrong_answer(
        self, quiet: QuietGateway, name: str
    ) -> None:
        problem = await json_of(quiet, IMAGES, {"status": "completed", name: "blue"}, status=400)
        assert problem["code"] == "unknown_parameter"
        assert (
            problem["detail"]
            == f"There is no parameter {name!r} here; known are keyword, status, limit, cursor."
        )

    async def test_a_cursor_that_was_not_given_is_400(self, quiet: QuietGateway) -> None:
        problem = await json_of(quiet, IMAGES, {"cursor": "made up"}, status=400)
        assert problem["code"] == "bad_cursor"

    @pytest.mark.parametrize("keyword", ["%00", "%FF", "%ED%A0%80", "%F0%9F%98%80", "%"])
    async def test_a_keyword_that_no_image_can_have_finds_nothing(
        self, quiet: QuietGateway, keyword: str
    ) -> None:
        async with quiet.http.get(URL(f"{IMAGES}?keyword={keyword}", encoded=True)) as answer:
            assert (answer.status, await answer.json()) == (200, {"images": [], "total": 0})

    async def test_head_and_pages_of_other_origins_are_served_like_the_other_lists(
        self, quiet: QuietGateway
    ) -> None:
        origin = {"Origin": "https://example.com"}
        async with (
            quiet.http.get(IMAGES, headers=origin) as whole,
            quiet.http.head(IMAGES, headers=origin) as head,
        ):
            assert whole.headers["Access-Control-Allow-Origin"] == "*"
            assert head.headers["Content-Length"] == str(len(await whole.read()))
            assert await head.read() == b""
        async with quiet.http.post(IMAGES) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


class TestOneBatch:
    async def test_only_the_images_that_match_are_shown_and_all_are_counted(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        path = f"/api/v1/batch/{jobs[0].job_id}"
        whole = await json_of(quiet, path)
        for query, indices in (
            ({"keyword": "dog"}, [0, 1]),
            ({"keyword": "Garden"}, [0]),
            ({"status": "failed"}, [2]),
            ({"keyword": "dog", "status": "failed"}, []),
        ):
            shown = await json_of(quiet, path, query)
            assert shown == {**whole, "images": [whole["images"][index] for index in indices]}

    @pytest.mark.parametrize(
        ("name", "meant"), [("keywords", "keyword"), ("Keyword", "keyword"), ("state", None), ("_", None)]
    )
    async def test_a_misspelt_parameter_is_400_and_any_other_is_ignored(
        self, quiet: QuietGateway, jobs: tuple[Job, Job], name: str, meant: str | None
    ) -> None:
        """Clients add parameters against caches."""
        path = f"/api/v1/batch/{jobs[0].job_id}"
        answer = await json_of(quiet, path, {name: "1"}, status=400 if meant else 200)
        if meant:
            assert answer["code"] == "unknown_parameter"
            assert answer["detail"] == f"There is no parameter {name!r} here, but there is {meant}."
        else:
            assert len(answer["images"]) == 3

    @pytest.mark.parametrize("query", [{"keyword": ""}, {"keyword": "k" * 201}, {"status": "done"}])
    async def test_a_wrong_parameter_is_400(
        self, quiet: QuietGateway, jobs: tuple[Job, Job], query: dict[str, str]
    ) -> None:
        problem = await json_of(quiet, f"/api/v1/batch/{jobs[0].job_id}", query, status=400)
        assert problem["code"] == "bad_parameter"

    async def test_each_question_has_an_etag_of_its_own(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        path = f"/api/v1/batch/{jobs[0].job_id}"
        etags = {}
        for query in (
            "",
            "?keyword=dog",
            "?keyword=beach",
            "?keyword=dog&keyword=beach",
            "?status=completed",
            "?status=failed",
            "?keyword=dog&status=completed",
        ):
            async with quiet.http.get(path + query) as answer:
                etags[query] = answer.headers["ETag"]
        assert len(set(etags.values())) == len(etags)
        for asked in etags:
            for query, etag in etags.items():
                async with quiet.http.get(path + asked, headers={"If-None-Match": etag}) as answer:
                    assert answer.status == (304 if query == asked else 200)

    async def test_two_ways_to_ask_the_same_have_one_etag(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        path = f"/api/v1/batch/{jobs[0].job_id}"
        async with (
            quiet.http.get(f"{path}?keyword=dog&keyword=Beach") as one,
            quiet.http.get(f"{path}?keyword=beach&x=1&keyword=DOG") as other,
        ):
            assert one.headers["ETag"] == other.headers["ETag"]

    async def test_a_change_of_the_job_is_a_new_version_for_every_question(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        path = f"/api/v1/batch/{jobs[1].job_id}?keyword=beach"
        async with quiet.http.get(path) as answer:
            etag = answer.headers["ETag"]
        await tag(quiet, jobs[1], 1, "beach")
        shown = await json_of(quiet, path, headers={"If-None-Match": etag})
        assert len(shown["images"]) == 2

    async def test_parameters_that_are_not_known_leave_the_answer_as_it_is(
        self, quiet: QuietGateway, jobs: tuple[Job, Job]
    ) -> None:
        path = f"/api/v1/batch/{jobs[0].job_id}"
        async with quiet.http.get(path) as plain, quiet.http.get(f"{path}?colour=blue") as asked:
            assert await asked.read() == await plain.read()
            assert asked.headers["ETag"] == plain.headers["ETag"]


async def test_who_wrote_the_words_is_told_where_it_is_known(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await tag(quiet, job, 0, "dog", writer="local/efficientnet-lite0")
    await tag(quiet, job, 1, "dog")
    shown = await json_of(quiet, f"/api/v1/batch/{job.job_id}")
    assert shown["images"][0]["metadata"]["writer"] == "local/efficientnet-lite0"
    assert "writer" not in shown["images"][1]["metadata"]
    async with quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws?after=0&keyword=cat") as socket:
        frames = [orjson.loads(message.data) async for message in socket]
    told = [frame["image"]["metadata"] for frame in frames if frame["type"] == "image_complete"]
    assert told == [image["metadata"] for image in shown["images"]]


async def test_words_that_say_little_are_shown_nevertheless(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await tag(quiet, job, 0)
    (image,) = (await json_of(quiet, f"/api/v1/batch/{job.job_id}"))["images"]
    assert image["metadata"] == {"title": "Title", "description": "Description", "keywords": []}
