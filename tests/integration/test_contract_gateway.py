"""The gateway on the wire: what it publishes, and what it makes of real messages, field by field.

A gateway of its own process on a real RabbitMQ and S3; the test plays analyzer and processor by hand.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from attrs import define

from tests.following import Followed, follow
from tests.golden import golden, golden_names
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, a_png
from tests.servers.gateway import Gateway
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import S3Server
from tests.servers.system import Place, an_empty_place, gateway_at
from tests.servers.wire import Seen, Wire, patiently, wire
from tests.submitting import job_of, readiness, submit_files

pytestmark = pytest.mark.asyncio(loop_scope="module")

RFC_3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
ATTEMPT = re.compile(r"b-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
(ACCEPTED,) = golden("image_upload.accepted")
FAST = {"jobs_window": 100, "jobs_attempt_pause_s": 0.05, "jobs_poll_s": 0.1, "jobs_watch_every_s": 0.2}
ENDINGS = [name for name in golden_names("image_processed.*") if not name.endswith("duplicates")]


@define(eq=False)
class Desk:
    """The gateway, and all that lies around it."""

    gateway: Gateway
    line: Wire
    storage: Any
    http: aiohttp.ClientSession

    async def submit(self, name: str = "photo.jpg", content: bytes = b"") -> str:
        return await submit_files(self.http, self.gateway.base_url, [(name, content or a_jpeg())])

    async def uploaded(self) -> Seen:
        """The next message for the analyzer."""
        return await self.line.take("image_upload")

    async def answer(self, message: Mapping[str, Any], trace_id: str, job_id: str) -> None:
        """Publish a golden result as one of ours, its image lying where it says."""
        body = as_ours(message, trace_id, job_id)
        path = json.loads(body)["processed_path"]
        if path:
            await self.storage.put_object(Bucket="processed", Key=path, Body=a_jpeg())
        await self.line.publish(message["queue"], body, **message["properties"])

    async def job(self, job_id: str) -> dict[str, Any]:
        return await job_of(self.http, self.gateway.base_url, job_id)

    async def no_dead_letter_is_known(self) -> None:
        """Returns once the gateway has looked: as many as at the last look would be taken for the same."""
        async for _ in patiently("an empty dead letter queue"):
            async with self.http.get(self.gateway.url("/metrics")) as answer:
                if "\ngateway_foreign_dead_letters 0.0\n" in await answer.text():
                    return

    async def followed(self, job_id: str) -> Followed:
        async with asyncio.timeout(PATIENCE_S):
            return await follow(self.http, self.gateway.base_url, job_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def the_desk(rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("gateway")
    async with (
        an_empty_place(rabbitmq, folder) as at,
        aiohttp.ClientSession() as http,
        gateway_at(at.place, folder, **FAST) as gateway,
    ):
        yield Desk(gateway, at.line, at.storage, http)
        assert gateway.complaints() == []


@pytest_asyncio.fixture(loop_scope="module")
async def desk(the_desk: Desk) -> AsyncIterator[Desk]:
    yield the_desk
    await the_desk.line.empty("image_upload", "dead_letter_queue", "image_processed.foreign")
    await the_desk.no_dead_letter_is_known()
    the_desk.gateway.show_news()


def as_ours(message: Mapping[str, Any], trace_id: str, job_id: str) -> bytes:
    """A golden body with another trace_id and group_id wherever they stand in it, else byte for byte."""
    body: str = message["body"]
    fields = json.loads(body)
    return body.replace(fields["trace_id"], trace_id).replace(fields["group_id"], job_id).encode()


class TestWhatItPublishes:
    async def test_an_upload_has_the_seven_fields_and_types_of_the_accepted_one(self, desk: Desk) -> None:
        await desk.submit()
        upload, accepted = (await desk.uploaded()).json, json.loads(ACCEPTED["body"])
        assert {name: type(value) for name, value in upload.items()} == {
            name: type(value) for name, value in accepted.items()
        }

    async def test_an_upload_says_whose_it_is(self, desk: Desk) -> None:
        job_id = await desk.submit("photo.jpg")
        upload = (await desk.uploaded()).json
        trace_id = upload["trace_id"]
        assert ATTEMPT.fullmatch(trace_id)
        assert RFC_3339_UTC.fullmatch(upload["timestamp"])
        assert upload | {"timestamp": ""} == {
            "timestamp": "",
            "trace_id": trace_id,
            "group_id": job_id,
            "telegram_username": f"batch_{job_id}",
            "original_filename": "photo.jpg",
            "original_path": f"{trace_id}/original.jpg",
            "telegram_id": 0,
        }
        assert (await desk.job(job_id))["images"][0]["trace_id"] == trace_id

    async def test_an_upload_has_the_properties_of_the_accepted_one(self, desk: Desk) -> None:
        """A message_id besides is fine."""
        await desk.submit()
        properties = dict((await desk.uploaded()).properties)
        properties.pop("message_id", None)
        assert properties == ACCEPTED["properties"]

    async def test_the_original_lies_where_the_upload_says(self, desk: Desk) -> None:
        await desk.submit("photo.png", a_png())
        path = (await desk.uploaded()).json["original_path"]
        assert path.endswith("/original.png")
        answer = await desk.storage.get_object(Bucket="original", Key=path)
        async with answer["Body"] as body:
            assert await body.read() == a_png()

    @pytest.mark.parametrize(
        "name",
        [
            "dir/sub/photo.jpg",
            "../../up.jpg",
            "x" * 300 + ".jpg",
            "Zürich – Ñandú 北京.jpg",
            "a+b&c='?#*.jpg",
            "photo",
            "100%25 %2F.jpg",
        ],
    )
    async def test_the_name_in_an_upload_is_one_that_the_processor_can_store(
        self, desk: Desk, name: str
    ) -> None:
        await desk.submit(name)
        safe = (await desk.uploaded()).json["original_filename"]
        assert "/" not in safe
        assert safe not in ("", ".", "..")
        assert len(safe.encode()) <= 255
        assert safe.endswith(".jpg")

    async def test_the_queues_are_those_that_the_services_declare(self, desk: Desk) -> None:
        """With any difference a service would be refused here."""
        for queue in golden("queues")[0]["queues"]:
            await desk.line.declare(queue["name"], passive=True)
        await desk.line.declare_as_the_services_do()

    async def test_it_consumes_results_alone(self, desk: Desk) -> None:
        consumers = {
            queue["name"]: (await desk.line.depth(queue["name"]))[1]
            for queue in golden("queues")[0]["queues"]
        }
        assert consumers == {
            "image_upload": 0,
            "metadata_generated": 0,
            "image_processed": 1,
            "dead_letter_queue": 0,
        }

    async def test_it_makes_both_buckets(self, desk: Desk) -> None:
        listed = await desk.storage.list_buckets()
        assert {bucket["Name"] for bucket in listed["Buckets"]} == {"original", "processed"}


class TestResults:
    @pytest.mark.parametrize("name", ENDINGS)
    async def test_each_real_result_ends_its_image_as_it_says(self, desk: Desk, name: str) -> None:
        (result,) = golden(name)
        job_id = await desk.submit()
        await desk.answer(result, (await desk.uploaded()).json["trace_id"], job_id)
        assert (await desk.followed(job_id)).types[-1] == "job_complete"
        (image,) = (await desk.job(job_id))["images"]
        assert image["status"] == json.loads(result["body"])["status"]

    @pytest.mark.parametrize("name", [name for name in ENDINGS if ".completed" in name or "zone" in name])
    async def test_the_processed_image_is_served_from_where_the_result_says(
        self, desk: Desk, name: str
    ) -> None:
        (result,) = golden(name)
        job_id = await desk.submit()
        trace_id = (await desk.uploaded()).json["trace_id"]
        await desk.answer(result, trace_id, job_id)
        await desk.followed(job_id)
        (image,) = (await desk.job(job_id))["images"]
        told = json.loads(as_ours(result, trace_id, job_id))["processed_path"]
        assert image["processed_path"] == told
        url = desk.gateway.url(f"/api/v1/batch/{job_id}/images/0/processed")
        async with desk.http.get(url) as answer:
            assert await answer.read() == a_jpeg()

    @pytest.mark.parametrize("name", [name for name in ENDINGS if ".failed" in name])
    async def test_a_failure_tells_clients_the_reason_and_nothing_of_another_machine(
        self, desk: Desk, name: str
    ) -> None:
        (result,) = golden(name)
        job_id = await desk.submit()
        await desk.answer(result, (await desk.uploaded()).json["trace_id"], job_id)
        await desk.followed(job_id)
        (image,) = (await desk.job(job_id))["images"]
        reason = json.loads(result["body"])["error"]
        assert image["code"] == "tagging_failed"
        assert image["error"].startswith(reason.split(":")[0])
        assert "\n" not in image["error"]
        assert "/tmp" not in image["error"]
        assert len(image["error"]) <= 300

    async def test_a_result_that_comes_twice_counts_once(self, desk: Desk) -> None:
        job_id = await submit_files(
            desk.http, desk.gateway.base_url, [("a.jpg", a_jpeg()), ("b.jpg", a_jpeg())]
        )
        traces = [(await desk.uploaded()).json["trace_id"] for _ in range(2)]
        for result in golden("image_processed.duplicates"):
            await desk.answer(result, traces[0], job_id)
        (completed,) = golden("image_processed.completed")
        await desk.answer(completed, traces[1], job_id)
        followed = await desk.followed(job_id)
        job = await desk.job(job_id)
        assert (job["completed"], job["failed"]) == (2, 0)
        ended = [frame["image"]["index"] for frame in followed.frames if frame["type"] == "image_complete"]
        assert len(ended) == len(set(ended))

    @pytest.mark.parametrize("name", golden_names("image_processed.*"))
    async def test_a_result_that_is_not_ours_is_parked_byte_for_byte(self, desk: Desk, name: str) -> None:
        """telegram_id 0 makes none ours."""
        result = golden(name)[0]
        await desk.line.publish("image_processed", result["body"].encode(), **result["properties"])
        parked = await desk.line.take("image_processed.foreign")
        assert parked.body == result["body"].encode()
        assert parked.properties["content_type"] == "application/json"
        assert parked.properties["delivery_mode"] == 2

    @pytest.mark.parametrize(
        "body",
        [
            b"hello",
            b"",
            b"[]",
            b"null",
            b'{"trace_id": "b-1"}',
            b'{"trace_id": 7, "status": "completed"}',
            b'{"status": "done"}',
        ],
    )
    async def test_a_malformed_result_is_kept_among_the_dead_letters(self, desk: Desk, body: bytes) -> None:
        await desk.line.publish("image_processed", body, content_type="application/json")
        assert (await desk.line.take("dead_letter_queue")).body == body

    @pytest.mark.parametrize(
        "odd",
        [
            {"trace_id": "b-0198c0de-0000-7000-8000-000000000002"},
            {"trace_id": "{trace_id}-a7"},
            {"trace_id": "{trace_id}-a0"},
            {"trace_id": "{trace_id}/x"},
            {"group_id": ""},
            {"group_id": "0198c0de-0000-7000-8000-000000000001"},
            {"status": "processing"},
            {"processed_path": None, "status": None},
        ],
        ids=str,
    )
    async def test_a_result_that_fits_no_open_attempt_ends_none(
        self, desk: Desk, odd: Mapping[str, Any]
    ) -> None:
        job_id = await desk.submit()
        trace_id = (await desk.uploaded()).json["trace_id"]
        (result,) = golden("image_processed.completed")
        good = json.loads(as_ours(result, trace_id, job_id))
        bad = good | {name: text and text.format(trace_id=trace_id) for name, text in odd.items()}
        await desk.line.publish("image_processed", json.dumps(bad).encode())
        await self.all_settled(desk)
        assert (await desk.job(job_id))["images"][0]["status"] == "processing"
        await desk.answer(result, trace_id, job_id)
        await desk.followed(job_id)
        assert (await desk.job(job_id))["completed"] == 1

    @pytest.mark.parametrize("path", ["", "nobody/has/this.jpg", "../../etc/passwd", "/", "a" * 2000])
    async def test_a_completed_image_that_is_not_where_the_result_says_has_failed(
        self, desk: Desk, path: str
    ) -> None:
        job_id = await desk.submit()
        (result,) = golden("image_processed.completed")
        fields = json.loads(as_ours(result, (await desk.uploaded()).json["trace_id"], job_id))
        await desk.line.publish("image_processed", json.dumps(fields | {"processed_path": path}).encode())
        await desk.followed(job_id)
        (image,) = (await desk.job(job_id))["images"]
        assert (image["status"], image["code"]) == ("failed", "storage_failed")

    async def test_a_result_of_ours_for_a_job_that_nobody_knows_is_taken(self, desk: Desk) -> None:
        (result,) = golden("image_processed.completed")
        job_id = "0198c0de-0000-7000-8000-000000000001"
        await desk.answer(result, "b-0198c0de-0000-7000-8000-000000000002", job_id)
        await self.all_settled(desk)
        assert await desk.line.depth("image_processed.foreign") == (0, 0)
        assert await desk.line.depth("dead_letter_queue") == (0, 0)

    async def all_settled(self, desk: Desk) -> None:
        """What came before has been taken: results are taken in order, and a job has ended by a later one."""
        job_id = await desk.submit()
        (completed,) = golden("image_processed.completed")
        await desk.answer(completed, (await desk.uploaded()).json["trace_id"], job_id)
        await desk.followed(job_id)
        await desk.line.holds("image_processed", 0)


class TestDeadLetters:
    async def test_a_dead_letter_of_ours_sends_the_image_again_with_a_name_of_its_own(
        self, desk: Desk
    ) -> None:
        job_id = await desk.submit()
        first = (await desk.uploaded()).json
        await self.reject(desk, first)
        second = (await desk.uploaded()).json
        assert second["trace_id"] == f"{first['trace_id']}-a2"
        for name in ("group_id", "telegram_username", "original_filename", "original_path", "telegram_id"):
            assert second[name] == first[name]
        (image,) = (await desk.job(job_id))["images"]
        assert (image["status"], image["trace_id"]) == ("processing", first["trace_id"])

    async def test_an_image_that_is_always_rejected_fails_in_the_end(self, desk: Desk) -> None:
        job_id = await desk.submit()
        for _ in range(3):
            await self.reject(desk, (await desk.uploaded()).json)
        await desk.followed(job_id)
        (image,) = (await desk.job(job_id))["images"]
        assert (image["status"], image["code"]) == ("failed", "analysis_failed")

    async def test_one_that_nobody_can_read_stays_and_holds_up_no_other(self, desk: Desk) -> None:
        (unreadable,) = golden("dead_letter.unreadable")
        await desk.line.publish("dead_letter_queue", unreadable["body"].encode(), **sent(unreadable))
        await desk.submit()
        await self.reject(desk, (await desk.uploaded()).json)
        assert (await desk.uploaded()).json["trace_id"].endswith("-a2")
        await desk.line.holds("dead_letter_queue", 1)
        assert (await desk.line.take("dead_letter_queue")).body == unreadable["body"].encode()

    async def test_anothers_stays_where_it_is(self, desk: Desk) -> None:
        (letter,) = golden("dead_letter.image_upload")
        await desk.line.publish("dead_letter_queue", letter["body"].encode(), **sent(letter))
        await desk.submit()
        await self.reject(desk, (await desk.uploaded()).json)
        await desk.uploaded()
        await desk.line.holds("dead_letter_queue", 1)
        assert (await desk.line.take("dead_letter_queue")).body == letter["body"].encode()

    async def reject(self, desk: Desk, upload: Mapping[str, Any]) -> None:
        """As the broker leaves a message that the analyzer rejected."""
        (letter,) = golden("dead_letter.image_upload")
        body = as_ours(letter, upload["trace_id"], upload["group_id"])
        await desk.line.publish("dead_letter_queue", body, **sent(letter))


def sent(letter: Mapping[str, Any]) -> dict[str, Any]:
    """Its properties, as they can be published."""
    properties: dict[str, Any] = json.loads(json.dumps(letter["properties"]))
    for death in properties["headers"]["x-death"]:
        del death["time"]
    return properties


class TestQueuesThatStandOtherwise:
    async def test_they_are_taken_as_they_are_with_a_warning_in_the_brokers_words(
        self, rabbitmq_url: str, rclone: S3Server, tmp_path: Path, free_ports: Callable[[], int]
    ) -> None:
        buckets = rclone.options()
        settings = {
            "object_store_original_bucket": buckets["original_bucket"],
            "object_store_processed_bucket": buckets["processed_bucket"],
        }
        async with wire(rabbitmq_url) as line, aiohttp.ClientSession() as http:
            await line.declare("image_upload")
            async with gateway_at(Place(rabbitmq_url, rclone), tmp_path, **FAST, **settings) as gateway:
                _, body = await readiness(http, gateway.base_url)
                (warning,) = (line for line in body["warnings"] if "image_upload" in line)
                assert "PRECONDITION_FAILED" in warning
                await submit_files(http, gateway.base_url, [("photo.jpg", a_jpeg())])
                assert (await line.take("image_upload")).json["original_filename"] == "photo.jpg"
