"""The Python client against a stand-in gateway over real connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from gateway.client import (
    ClientError,
    GatewayClient,
    Metadata,
    MetadataPolicy,
    NoGateway,
    NotConnected,
    Options,
    Refused,
    SentAgain,
    Submitted,
    Unreachable,
)
from gateway.client.answers import read_metadata
from tests.builders import NOW, a_dead_letter
from tests.client_calls import DEADLINE_S, Waits
from tests.free_ports import free_port
from tests.photos import a_jpeg
from tests.servers.stand_in_gateway import PNG, StandIn, stand_in_gateway
from tests.servers.tcp_proxy import tcp_proxy
from tests.servers.web import answer, web_server


@pytest.fixture
async def stand_in():
    async with stand_in_gateway() as gateway:
        yield gateway


@pytest.fixture
async def client(stand_in: StandIn):
    async with GatewayClient(stand_in.base_url) as client:
        yield client


@asynccontextmanager
async def taking_nothing(path: Path) -> AsyncIterator[None]:
    """A server that lets clients in, and reads nothing of what they send."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield


async def test_files_and_bytes_are_sent_in_order_with_their_names(stand_in, client, tmp_path):
    photo = tmp_path / 'größe "a"; b%20.jpg'
    photo.write_bytes(b"x" * 700_000)
    submitted = await client.submit([photo, ("b.png", b"bytes")])
    assert stand_in.batches == [[(photo.name, b"x" * 700_000), ("b.png", b"bytes")]]
    assert submitted.job_id in stand_in.jobs


async def test_a_batch_with_a_url_goes_as_json(stand_in, client, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"file")
    await client.submit(["https://a.example/b.jpg", tmp_path / "a.jpg", ("c.png", b"bytes")])
    assert stand_in.bodies == [
        {
            "images": [
                {"url": "https://a.example/b.jpg"},
                {"base64": "ZmlsZQ==", "name": "a.jpg"},
                {"base64": "Ynl0ZXM=", "name": "c.png"},
            ]
        }
    ]


@pytest.mark.parametrize("image", [("a.jpg", b"bytes"), "https://a.example/b.jpg"], ids=["form", "JSON"])
async def test_what_becomes_of_words_that_are_there_goes_along_and_comes_back(stand_in, client, image):
    submitted = await client.submit([image], metadata={"title": "keep", "keywords": "append"})
    assert stand_in.options == [{"metadata": {"title": "keep", "keywords": "append"}}]
    job = await client.status(submitted.job_id)
    assert job.options == Options(MetadataPolicy(title="keep", keywords="append"))


@pytest.mark.parametrize("metadata", [None, {}])
@pytest.mark.parametrize("image", [("a.jpg", b"bytes"), "https://a.example/b.jpg"], ids=["form", "JSON"])
async def test_where_nothing_is_said_no_options_go_along(stand_in, client, image, metadata):
    submitted = await client.submit([image], metadata=metadata)
    assert stand_in.options == [None]
    assert (await client.status(submitted.job_id)).options == Options()


async def test_a_gateway_that_would_not_heed_it_refuses_it(stand_in, client):
    stand_in.refuse_options = True
    with pytest.raises(Refused) as caught:
        await client.submit([("a.jpg", b"bytes")], metadata={"title": "keep"})
    assert caught.value.code == "metadata_options_refused"


async def test_a_file_that_is_not_there_sends_nothing(stand_in, client, tmp_path):
    with pytest.raises(FileNotFoundError):
        await client.submit([tmp_path / "absent.jpg"])
    assert stand_in.batches == []


@pytest.mark.parametrize("image", [("a.jpg", b"bytes"), "https://a.example/b.jpg"], ids=["form", "JSON"])
class TestTriedAgain:
    async def test_a_batch_whose_answer_was_lost_is_one_job(self, stand_in, client, image):
        stand_in.lost_answers = 2
        reasons: list[ClientError] = []
        submitted = await client.submit([image], on_wait=reasons.append)
        assert list(stand_in.jobs) == [submitted.job_id]
        assert [type(reason) for reason in reasons] == [Unreachable] * 2
        assert len(set(stand_in.keys)) == 1

    async def test_a_gateway_that_is_busy_or_still_at_work_on_it_is_asked_again(
        self, stand_in, client, image
    ):
        stand_in.busy_answers = stand_in.in_flight_answers = 2
        submitted = await client.submit([image])
        assert list(stand_in.jobs) == [submitted.job_id]
        assert len(stand_in.keys) == 5

    async def test_a_gateway_that_is_away_is_waited_for(self, tmp_path, image):
        waits = asyncio.Event()
        async with asyncio.timeout(10), GatewayClient(f"unix://{tmp_path}/s") as client:
            submitting = asyncio.create_task(client.submit([image], on_wait=lambda _: waits.set()))
            await waits.wait()
            async with stand_in_gateway(tmp_path / "s") as stand_in:
                assert (await submitting).job_id in stand_in.jobs

    async def test_a_refusal_is_final(self, stand_in, client, image):
        stand_in.refuse_batches = True
        with pytest.raises(Refused):
            await client.submit([image])
        assert len(stand_in.keys) == 1


class TestGivenUp:
    async def test_who_asks_for_more_time_than_there_is_is_not_waited_for(self, stand_in):
        stand_in.busy_answers, stand_in.retry_after = 1000, "3600"
        async with asyncio.timeout(10), GatewayClient(stand_in.base_url) as client:
            with pytest.raises(Refused) as caught:
                await client.submit([("a.jpg", b"a")])
        assert (caught.value.retry_after_s, len(stand_in.keys)) == (3600, 1)

    async def test_a_gateway_that_stays_busy_is_given_up(self, stand_in):
        stand_in.busy_answers = 1000
        async with asyncio.timeout(10), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(Refused, match=r"Too much to do\."):
                await client.submit([("a.jpg", b"a")])
        assert 1 < len(stand_in.keys) < 10

    async def test_a_batch_that_may_have_been_taken_is_told_so(self, stand_in):
        stand_in.lost_answers = 1000
        async with asyncio.timeout(10), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(Unreachable, match="the batch may have been taken nevertheless"):
                await client.submit([("a.jpg", b"a")])

    async def test_so_is_one_when_the_gateway_that_lost_its_answer_stays_busy(self, stand_in):
        stand_in.lost_answers = 1

        def stay_busy(_: ClientError) -> None:
            stand_in.busy_answers = 1000

        async with asyncio.timeout(10), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(Refused, match="Too much to do; the batch may have been taken nevertheless"):
                await client.submit([("a.jpg", b"a")], on_wait=stay_busy)

    async def test_so_is_one_that_the_gateway_is_still_at_work_on(self, stand_in):
        stand_in.in_flight_answers = 1000
        async with asyncio.timeout(10), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(
                Refused, match="Still at work on it; the batch may have been taken nevertheless"
            ):
                await client.submit([("a.jpg", b"a")])

    @pytest.mark.parametrize("others", [[], ["https://a.example/b.jpg"]], ids=["form", "JSON"])
    async def test_a_gateway_that_takes_nothing_more_of_it_is_one_that_is_away(self, tmp_path, others):
        gateway = GatewayClient(f"unix://{tmp_path}/s", patience_s=0, silence_s=0.2)
        async with asyncio.timeout(10), taking_nothing(tmp_path / "s"), gateway as client:
            with pytest.raises(Unreachable, match="takes nothing more of what is sent"):
                await client.submit([("a.jpg", b"a" * 20_000_000), *others])

    async def test_a_batch_that_was_never_sent_is_not(self, tmp_path):
        async with asyncio.timeout(10), GatewayClient(f"unix://{tmp_path}/s", patience_s=0.3) as client:
            with pytest.raises(NotConnected) as caught:
                await client.submit([("a.jpg", b"a")])
        assert "taken" not in str(caught.value)


class TestKeys:
    async def test_each_call_has_its_own(self, stand_in, client):
        await client.submit([("a.jpg", b"a")])
        await client.submit([("a.jpg", b"a")])
        assert len(set(stand_in.keys)) == len(stand_in.jobs) == 2

    async def test_calls_with_one_key_are_one_job(self, stand_in, client):
        first = await client.submit([("a.jpg", b"a")], key='my "batch"')
        assert await client.submit([("a.jpg", b"a")], key='my "batch"') == first
        assert stand_in.keys == [r'"my \"batch\""'] * 2


async def test_a_status_is_typed(client):
    job = await client.status((await client.submit([("a.jpg", b"a"), ("bad.jpg", b"b")])).job_id)
    good, bad = job.images
    assert (job.total_images, job.completed, job.failed, job.is_final) == (2, 1, 1, True)
    assert good.metadata == Metadata("Title of a.jpg", "", ("one", "two"))
    assert (bad.status, bad.code, bad.error) == ("failed", "not_an_image", "This is not an image.")


async def test_all_jobs_are_listed_over_all_pages(client):
    ids = [(await client.submit([("a.jpg", b"a")])).job_id for _ in range(3)]
    assert [job.job_id async for job in client.jobs()] == list(reversed(ids))


async def test_images_of_all_jobs_are_found_over_all_pages(quiet):
    """By a real gateway, whose pages have fifty images."""
    job = await quiet.accept(images=60)
    for index in range(60):
        await quiet.complete(job.job_id, index)
    other = await quiet.accept(images=1)
    async with GatewayClient(f"http://127.0.0.1:{quiet.port}") as client:
        all_of_them = [(image.job_id, image.index) async for image in client.images()]
        assert all_of_them == [(other.job_id, 0), *((job.job_id, index) for index in reversed(range(60)))]
        for asked in ({"keyword": "BOAT"}, {"keyword": ["boat", "dawn"]}, {"status": "completed"}):
            assert [image.job_id async for image in client.images(**asked)] == [job.job_id] * 60
        assert [image async for image in client.images(keyword=["boat", "train"])] == []


class TestRetry:
    """By a real gateway."""

    @pytest.fixture
    async def client(self, quiet):
        async with GatewayClient(f"http://127.0.0.1:{quiet.port}") as client:
            yield client

    @pytest.fixture
    async def job_id(self, quiet, client):
        """Of a job of three images, all of which failed."""
        job_id = (await client.submit([(f"{name}.jpg", a_jpeg()) for name in "abc"])).job_id
        for index in range(3):
            await quiet.fail(job_id, index)
        return job_id

    async def test_all_failed_images_are_tried_again_or_those_of_these_indices(self, client, job_id):
        for indices, names in ((None, ["a.jpg", "b.jpg", "c.jpg"]), ([2, 0], ["c.jpg", "a.jpg"])):
            retried = await client.retry(job_id, indices)
            job = await client.status(retried.job_id)
            assert [image.original_filename for image in job.images] == names
            assert retried.retry_of == job.retry_of == job_id

    async def test_no_indices_at_all_are_not_taken_for_all(self, client, job_id):
        with pytest.raises(Refused) as refused:
            await client.retry(job_id, [])
        assert refused.value.code == "no_images"

    async def test_calls_with_one_key_make_one_job(self, client, job_id):
        assert await client.retry(job_id, key="k") == await client.retry(job_id, key="k")
        assert len([job async for job in client.jobs()]) == 2

    async def test_what_can_not_be_tried_again_is_refused(self, client, job_id):
        with pytest.raises(Refused, match="image 0: it has not failed, but is pending"):
            await client.retry((await client.retry(job_id)).job_id, [0])


async def test_how_a_job_went_and_when_is_told_by_status_list_and_last_event(quiet):
    job = await quiet.accept(images=2)
    await quiet.publish(job.job_id, 0)
    await quiet.complete(job.job_id, 0)
    async with GatewayClient(f"http://127.0.0.1:{quiet.port}") as client:
        assert (await client.status(job.job_id)).outcome == ""
        await quiet.fail(job.job_id, 1)
        shown = await client.status(job.job_id)
        (listed,) = [each async for each in client.jobs()]
        *_, last = [event async for event in client.follow(job.job_id)]
    assert shown.outcome == listed.outcome == last.outcome == "partial"
    assert shown.started_at == listed.started_at == shown.images[0].start_time is not None


def test_who_described_an_image_is_told_where_it_is_known():
    known, unknown = read_metadata({"title": "A", "writer": "local/facts"}), read_metadata({"title": "A"})
    assert (known.writer, unknown.writer) == ("local/facts", "")


async def test_one_image_is_asked_for_by_its_index(client):
    job_id = (await client.submit([("a.jpg", b"a"), ("b.jpg", b"b")])).job_id
    assert (await client.image(job_id, 1)).original_filename == "b.jpg"


async def test_a_download_writes_the_whole_file_and_nothing_else(client, tmp_path):
    job_id = (await client.submit([("a.jpg", b"a")])).job_id
    await client.download(job_id, 0, tmp_path / "copy.jpg")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"copy.jpg": b"tagged a"}


async def test_a_download_that_breaks_off_leaves_nothing(tmp_path):
    pages = {"/api/v1/batch/j/images/0/processed": answer(200, body=b"half", length=1000)}
    async with web_server(pages) as site, GatewayClient(site.url("/"), patience_s=0) as client:
        with pytest.raises(Unreachable):
            await client.download("j", 0, tmp_path / "copy.jpg")
    assert list(tmp_path.iterdir()) == []


async def test_an_image_is_asked_for_again_when_the_gateway_is_there_again(stand_in, client, tmp_path):
    job_id, waits = (await client.submit([("a.jpg", b"a")])).job_id, Waits()
    async with tcp_proxy(int(stand_in.base_url.rpartition(":")[2])) as proxy:
        await proxy.refuse()
        async with GatewayClient(f"http://127.0.0.1:{proxy.port}") as distant, asyncio.timeout(DEADLINE_S):
            to = tmp_path / "copy.jpg"
            saving = asyncio.create_task(distant.download(job_id, 0, to, on_wait=waits))
            await waits.some.wait()
            await proxy.listen()
            await saving
    assert to.read_bytes() == b"tagged a"


async def test_a_download_tells_the_name_that_the_gateway_has_for_it(client, tmp_path):
    job_id = (await client.submit([("a.jpg", PNG)])).job_id
    assert await client.download(job_id, 0, tmp_path / "copy") == "a.png"


async def test_an_image_that_is_not_ready_at_once_is_asked_for_again(stand_in, client, tmp_path):
    stand_in.not_ready_answers = 2
    job_id = (await client.submit([("a.jpg", b"a")])).job_id
    await client.download(job_id, 0, tmp_path / "copy.jpg")
    assert (tmp_path / "copy.jpg").read_bytes() == b"tagged a"


async def test_an_image_that_does_not_become_ready_is_given_up(stand_in, tmp_path):
    stand_in.not_ready_answers = 1000
    async with GatewayClient(stand_in.base_url, ready_s=0.3) as client:
        job_id = (await client.submit([("a.jpg", b"a")])).job_id
        with pytest.raises(Refused) as caught:
            await client.download(job_id, 0, tmp_path / "copy.jpg")
    assert caught.value.code == "not_ready"
    assert stand_in.not_ready_answers > 990


async def test_a_refusal_carries_the_text_of_the_problem(client):
    with pytest.raises(Refused, match="There is no such job") as caught:
        await client.status("absent")
    assert (caught.value.status, caught.value.code) == (404, "job_not_found")


async def test_nobody_at_the_address_is_told_with_the_address():
    url = f"http://127.0.0.1:{free_port()}"
    async with GatewayClient(url) as client:
        with pytest.raises(Unreachable, match=f"no gateway answers at {url}: Connection refused"):
            await client.check()


async def test_a_password_in_the_address_is_shown_to_nobody():
    port = free_port()
    async with GatewayClient(f"http://me:pass@word@127.0.0.1:{port}/photos") as client:
        assert client.address == f"http://127.0.0.1:{port}/photos"
        with pytest.raises(Unreachable) as caught:
            await client.check()
    assert str(caught.value).startswith(f"no gateway answers at {client.address}: ")


async def test_another_kind_of_server_is_told_so():
    pages = {"/api/v1/batch/j": answer(200, body=b"[1, 2]")}
    async with web_server(pages) as site, GatewayClient(site.url("/")) as client:
        with pytest.raises(NoGateway, match=f"there is no gateway at {site.url('/')}, but another server"):
            await client.status("j")


@pytest.mark.parametrize(
    "page", [answer(404), answer(501, body=b"<html>"), answer(200, body=b"<html>"), answer(200, body=b"{}")]
)
async def test_another_web_server_does_not_pass_for_a_gateway(page):
    async with web_server({"/healthz": page}) as site, GatewayClient(site.url("/")) as client:
        with pytest.raises(NoGateway, match="there is no gateway at"):
            await client.check()


async def test_following_gives_every_event_and_ends_with_the_job(client):
    job_id = (await client.submit([("a.jpg", b"a"), ("bad.jpg", b"b")])).job_id
    events = [event async for event in client.follow(job_id)]
    assert [event.type for event in events] == [
        "progress",
        "image_complete",
        "image_complete",
        "job_complete",
    ]
    assert [event.image.status for event in events if event.image] == ["completed", "failed"]


async def test_following_goes_on_behind_the_last_event_after_each_lost_connection(stand_in, client):
    stand_in.frames_per_connection = 1
    job_id = (await client.submit([("a.jpg", b"a"), ("b.jpg", b"b")])).job_id
    ids = [event.id async for event in client.follow(job_id)]
    assert ids == ["e:1", "e:2", "e:3", "e:4"]
    assert stand_in.positions == [None, "e:1", "e:2", "e:3"]


async def test_following_may_start_behind_an_event(stand_in, client):
    job_id = (await client.submit([("a.jpg", b"a")])).job_id
    assert [event.id async for event in client.follow(job_id, after="e:1")] == ["e:2", "e:3"]


async def test_following_an_unknown_job_is_refused(client):
    with pytest.raises(Refused, match="There is no job absent"):
        [event async for event in client.follow("absent")]


async def test_following_tells_that_it_waits_for_a_gateway_that_is_away(tmp_path):
    reasons: list[ClientError] = []
    waits = asyncio.Event()

    def on_wait(error: ClientError) -> None:
        reasons.append(error)
        waits.set()

    async with asyncio.timeout(10), GatewayClient(f"unix://{tmp_path}/s") as client:

        async def follow() -> list[str]:
            return [event.type async for event in client.follow("j", on_wait=on_wait)]

        following = asyncio.create_task(follow())
        await waits.wait()
        async with stand_in_gateway(tmp_path / "s") as stand_in:
            stand_in.jobs["j"] = ["a.jpg"]
            assert (await following)[-1] == "job_complete"
    assert isinstance(reasons[0], Unreachable)


async def test_following_gives_up_when_no_gateway_comes_back():
    async with GatewayClient(f"http://127.0.0.1:{free_port()}", patience_s=0.3) as client:
        with pytest.raises(Unreachable):
            async with asyncio.timeout(10):
                [event async for event in client.follow("j")]


async def test_a_gateway_answers_on_a_unix_socket(tmp_path: Path):
    async with stand_in_gateway(tmp_path / "s") as stand_in, GatewayClient(stand_in.base_url) as client:
        job_id = (await client.submit([("a.jpg", b"a")])).job_id
        assert [event.type async for event in client.follow(job_id)][-1] == "job_complete"


async def test_a_unix_socket_that_is_not_there_is_told(tmp_path: Path):
    async with GatewayClient(f"unix://{tmp_path}/absent") as client:
        with pytest.raises(Unreachable, match="No such file or directory"):
            await client.check()


@pytest.mark.parametrize("url", ["localhost:8080", "", "ftp://a.example", "http://", "unix:", "http://a/?q"])
def test_an_address_that_is_none_is_refused_at_once(url):
    with pytest.raises(ValueError, match="base_url"):
        GatewayClient(url)


class TestDeadLetters:
    """By a real gateway."""

    @pytest.fixture
    async def client(self, quiet):
        async with GatewayClient(f"http://127.0.0.1:{quiet.port}") as client:
            yield client

    async def test_they_come_with_all_that_is_known_over_all_pages(self, quiet, client):
        job = await quiet.accept(images=60)
        for image in job.images:
            await quiet.context.dead_letters.keep_letter(a_dead_letter(job, image.index))
        letters = [letter async for letter in client.dead_letters()]
        assert [letter.index for letter in letters] == list(reversed(range(60)))
        assert attrs.asdict(letters[-1]) == {
            "id": job.images[0].trace_id,
            "job_id": job.job_id,
            "index": 0,
            "trace_id": job.images[0].trace_id,
            "attempt": 1,
            "queue": "image_upload",
            "reason": "It could not be decoded: „groß“.",
            "code": "analysis_failed",
            "count": 1,
            "at": NOW,
            "body": {"trace_id": job.images[0].trace_id, "original_filename": "Übersee.jpg"},
        }

    async def test_an_open_image_gets_another_attempt(self, quiet, client):
        job = await quiet.accept(images=1)
        await quiet.publish(job.job_id, 0)
        await quiet.context.dead_letters.keep_letter(a_dead_letter(job))
        again = await client.requeue(job.images[0].trace_id)
        assert again == SentAgain(job_id=job.job_id, index=0, trace_id=job.images[0].trace_id, attempt=2)
        with pytest.raises(Refused) as refused:
            await client.requeue(job.images[0].trace_id)
        assert refused.value.code == "dead_letter_not_found"

    async def test_a_failed_image_gets_a_new_job(self, quiet, client):
        job_id = (await client.submit([("a.jpg", a_jpeg())])).job_id
        job = await quiet.fail(job_id, 0)
        await quiet.context.dead_letters.keep_letter(a_dead_letter(job))
        again = await client.requeue(job.images[0].trace_id)
        assert isinstance(again, Submitted)
        assert again.retry_of == job_id

    async def test_one_or_all_are_deleted(self, quiet, client):
        letters = [a_dead_letter() for _ in range(3)]
        for letter in letters:
            await quiet.context.dead_letters.keep_letter(letter)
        await client.delete_dead_letter(letters[0].dead_letter_id)
        with pytest.raises(Refused):
            await client.delete_dead_letter(letters[0].dead_letter_id)
        assert await client.delete_dead_letters() == 2
        assert [letter async for letter in client.dead_letters()] == []
