"""That each fault of the S3 does what it says: to who asks, and to what lies there afterwards."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from attrs import define, evolve
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from tests.servers.faulty_s3 import (
    READING,
    Fault,
    FaultyS3,
    arriving_late,
    cut_in_the_body,
    done_but_cut,
    done_but_refused,
    faulty_s3,
    refused,
    stalled,
    stalled_in_the_body,
)
from tests.servers.s3 import S3Server, plain_client

KEY = "a folder/ä%.jpg"
BODY = b"x" * 100_000


@define(eq=False)
class Asker:
    """Asks for one object, and never again by itself."""

    store: FaultyS3
    bucket: str

    async def put(self) -> str:
        async def call(client: Any) -> str:
            answer = await client.put_object(Bucket=self.bucket, Key=KEY, Body=BODY)
            return str(answer["ResponseMetadata"]["HTTPStatusCode"])

        return await self._asked(call)

    async def get(self) -> str:
        async def call(client: Any) -> str:
            answer = await client.get_object(Bucket=self.bucket, Key=KEY)
            async with answer["Body"] as body:
                return f"{len(await body.read())} bytes"

        return await self._asked(call)

    async def lies_there(self) -> bool:
        """All of it."""
        async with plain_client(self.store.behind) as client:
            listed = await client.list_objects_v2(Bucket=self.bucket)
        return [each["Size"] for each in listed.get("Contents", ())] == [len(BODY)]

    async def _asked(self, call: Callable[[Any], Awaitable[str]]) -> str:
        """What was told, or came in place of an answer."""
        seen = evolve(self.store.behind, port=self.store.port)
        async with plain_client(seen, read_timeout=0.5, retries={"total_max_attempts": 1}) as client:
            try:
                return await call(client)
            except ClientError as error:
                return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
            except (ReadTimeoutError, TimeoutError):
                return "silence"
            except (BotoCoreError, aiohttp.ClientPayloadError):
                return "a cut"


@pytest.fixture
async def asker(rclone: S3Server) -> AsyncIterator[Asker]:
    bucket = f"faulty-{uuid4()}"
    async with faulty_s3(rclone) as store:
        async with plain_client(rclone) as client:
            await client.create_bucket(Bucket=bucket)
        yield Asker(store, bucket)


async def test_without_a_fault_all_passes(asker: Asker) -> None:
    assert await asker.put() == "200"
    assert await asker.get() == f"{len(BODY)} bytes"
    assert await asker.lies_there()


@pytest.mark.parametrize(
    ("fault", "told", "is_done"),
    [
        (refused(503, "SlowDown"), "503", False),
        (done_but_refused(500, "InternalError"), "500", True),
        (stalled, "silence", False),
        (arriving_late, "silence", False),
        (done_but_cut, "a cut", True),
        (cut_in_the_body, "a cut", False),
        (stalled_in_the_body, "silence", False),
    ],
    ids=["refused", "done but refused", "stalled", "late", "done but cut", "cut", "stalled in the body"],
)
async def test_a_put_is_told_one_thing_and_done_or_not(
    asker: Asker, fault: Fault, told: str, is_done: bool
) -> None:
    asker.store.fault = fault
    assert await asker.put() == told
    assert await asker.lies_there() is is_done
    assert set(asker.store.struck) == {"PUT"}


async def test_what_was_given_up_may_arrive_late(asker: Asker) -> None:
    asker.store.fault = arriving_late
    await asker.put()
    assert await asker.store.let_late_ones_arrive() == 1
    assert await asker.lies_there()


@pytest.mark.parametrize(
    ("fault", "told"), [(cut_in_the_body, "a cut"), (stalled_in_the_body, "silence"), (stalled, "silence")]
)
async def test_of_a_get_not_all_comes_back(asker: Asker, fault: Fault, told: str) -> None:
    await asker.put()
    asker.store.fault = fault
    assert await asker.get() == told


async def test_behind_a_closed_door_nobody_listens_until_it_opens(asker: Asker) -> None:
    await asker.store.close_door()
    assert await asker.put() == "a cut"
    await asker.store.open_door()
    assert await asker.put() == "200"


async def test_a_fault_takes_requests_of_its_methods_alone(asker: Asker) -> None:
    asker.store.fault, asker.store.methods = refused(503, "SlowDown"), READING
    assert await asker.put() == "200"
    assert await asker.get() == "503"


async def test_a_fault_takes_its_share_of_the_requests(asker: Asker) -> None:
    asker.store.fault, asker.store.share = refused(503, "SlowDown"), 0.5
    told = [await asker.put() for _ in range(20)]
    assert 0 < asker.store.struck["PUT"] < 20
    assert asker.store.struck["PUT"] == told.count("503")
