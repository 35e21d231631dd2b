"""The Python client sends batches: what goes along, when it is tried again, and when it is given up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.client import (
    ClientError,
    GatewayClient,
    MetadataPolicy,
    NotConnected,
    Options,
    Refused,
    Unreachable,
)
from tests.patience import PATIENCE_S
from tests.servers.stand_in_gateway import stand_in_gateway


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


async def test_files_and_bytes_may_come_one_by_one(stand_in, client):
    await client.submit((f"{name}.png", name.encode()) for name in "ab")
    assert stand_in.batches == [[("a.png", b"a"), ("b.png", b"b")]]


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
        async with asyncio.timeout(PATIENCE_S), GatewayClient(f"unix://{tmp_path}/s") as client:
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
        async with asyncio.timeout(PATIENCE_S), GatewayClient(stand_in.base_url) as client:
            with pytest.raises(Refused) as caught:
                await client.submit([("a.jpg", b"a")])
        assert (caught.value.retry_after_s, len(stand_in.keys)) == (3600, 1)

    async def test_a_gateway_that_stays_busy_is_given_up(self, stand_in):
        stand_in.busy_answers = 1000
        async with asyncio.timeout(PATIENCE_S), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(Refused, match=r"Too much to do\."):
                await client.submit([("a.jpg", b"a")])
        assert 1 < len(stand_in.keys) < 10

    async def test_a_batch_that_may_have_been_taken_is_told_so(self, stand_in):
        stand_in.lost_answers = 1000
        async with asyncio.timeout(PATIENCE_S), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(Unreachable, match="the batch may have been taken nevertheless"):
                await client.submit([("a.jpg", b"a")])

    async def test_so_is_one_when_the_gateway_that_lost_its_answer_stays_busy(self, stand_in):
        stand_in.lost_answers = 1

        def stay_busy(_: ClientError) -> None:
            stand_in.busy_answers = 1000

        async with asyncio.timeout(PATIENCE_S), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(Refused, match="Too much to do; the batch may have been taken nevertheless"):
                await client.submit([("a.jpg", b"a")], on_wait=stay_busy)

    async def test_so_is_one_that_the_gateway_is_still_at_work_on(self, stand_in):
        stand_in.in_flight_answers = 1000
        async with asyncio.timeout(PATIENCE_S), GatewayClient(stand_in.base_url, patience_s=0.5) as client:
            with pytest.raises(
                Refused, match="Still at work on it; the batch may have been taken nevertheless"
            ):
                await client.submit([("a.jpg", b"a")])

    @pytest.mark.parametrize("others", [[], ["https://a.example/b.jpg"]], ids=["form", "JSON"])
    async def test_a_gateway_that_takes_nothing_more_of_it_is_one_that_is_away(self, tmp_path, others):
        gateway = GatewayClient(f"unix://{tmp_path}/s", patience_s=0, silence_s=0.2)
        async with asyncio.timeout(PATIENCE_S), taking_nothing(tmp_path / "s"), gateway as client:
            with pytest.raises(Unreachable, match="takes nothing more of what is sent"):
                await client.submit([("a.jpg", b"a" * 20_000_000), *others])

    async def test_a_batch_that_was_never_sent_is_not(self, tmp_path):
        async with (
            asyncio.timeout(PATIENCE_S),
            GatewayClient(f"unix://{tmp_path}/s", patience_s=0.3) as client,
        ):
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
