import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import pytest

from gateway.adapters.object_store.measured import MeasuredObjectStore
from gateway.errors import GatewayError, NoRoom, Unavailable
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectReader, StoredObject
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import ObjectStoreMetrics

KEY = ObjectKey(Bucket.ORIGINAL, "b-1/original.jpg")
STORED = StoredObject(KEY, 3, "etag")


class Store:
    """Does nothing, or fails."""

    def __init__(self, error: GatewayError | None = None, *, breaks_off: bool = False) -> None:
        self.error = error
        self.breaks_off = breaks_off

    async def put(self, _: ObjectKey, body: AsyncIterator[bytes], **__: Any) -> StoredObject:
        self.stored = [chunk async for chunk in body]
        return await self.head(KEY)

    async def head(self, _: ObjectKey) -> StoredObject:
        if self.error is not None:
            raise self.error
        return STORED

    async def delete(self, _: ObjectKey) -> None:
        await self.head(KEY)

    @asynccontextmanager
    async def open(self, _: ObjectKey, **__: Any) -> AsyncIterator[ObjectReader]:
        yield ObjectReader(await self.head(KEY), self.bytes_read())

    async def bytes_read(self) -> AsyncIterator[bytes]:
        yield b"ab"
        if self.breaks_off:
            raise Unavailable("The answer ended early.")
        yield b"c"

    async def check(self) -> str:
        return "fine"


async def no_bytes() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


async def do(store: MeasuredObjectStore, operation: str) -> None:
    match operation:
        case "put":
            await store.put(KEY, no_bytes(), media_type="image/jpeg", max_bytes=10)
        case "get":
            async with store.open(KEY):
                pass
        case "head":
            await store.head(KEY)
        case "delete":
            await store.delete(KEY)


def measured(
    error: GatewayError | None = None, *, breaks_off: bool = False
) -> tuple[MeasuredObjectStore, Instruments]:
    instruments = Instruments()
    store: Any = Store(error, breaks_off=breaks_off)
    return MeasuredObjectStore(store, ObjectStoreMetrics(instruments)), instruments


OPERATIONS = ("put", "get", "head", "delete")


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_operation_is_timed(operation: str) -> None:
    store, instruments = measured()
    await do(store, operation)
    labels = {"operation": operation}
    assert instruments.registry.get_sample_value("gateway_object_store_seconds_count", labels) == 1
    assert instruments.registry.get_sample_value("gateway_object_store_failures_total", labels) == 0


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("error", [Unavailable("Down."), NoRoom("Full.")], ids=["down", "full"])
async def test_a_store_that_is_down_or_full_has_failed(operation: str, error: GatewayError) -> None:
    store, instruments = measured(error)
    with pytest.raises(type(error)):
        await do(store, operation)
    labels = {"operation": operation}
    assert instruments.registry.get_sample_value("gateway_object_store_failures_total", labels) == 1


async def test_an_object_that_is_not_there_is_no_failure() -> None:
    store, instruments = measured(ObjectNotFound("Not there."))
    with pytest.raises(ObjectNotFound):
        await do(store, "get")
    labels = {"operation": "get"}
    assert instruments.registry.get_sample_value("gateway_object_store_failures_total", labels) == 0


async def test_an_object_is_read_as_it_is() -> None:
    store, _ = measured()
    async with store.open(KEY) as reader:
        assert (reader.stored, [chunk async for chunk in reader.chunks]) == (STORED, [b"ab", b"c"])


async def test_bytes_that_break_off_are_a_failure_of_the_store() -> None:
    store, instruments = measured(breaks_off=True)
    async with store.open(KEY) as reader:
        assert await anext(reader.chunks) == b"ab"
        with pytest.raises(Unavailable):
            await anext(reader.chunks)
    labels = {"operation": "get"}
    assert instruments.registry.get_sample_value("gateway_object_store_failures_total", labels) == 1


PAUSE_S = 0.05


async def slow_bytes() -> AsyncIterator[bytes]:
    for chunk in (b"a", b"bc"):
        await asyncio.sleep(PAUSE_S)
        yield chunk


async def test_a_sender_that_is_slow_makes_no_slow_store() -> None:
    instruments = Instruments()
    inner: Any = Store()
    store = MeasuredObjectStore(inner, ObjectStoreMetrics(instruments))
    begun = perf_counter()
    await store.put(KEY, slow_bytes(), media_type="image/jpeg", max_bytes=10)
    in_all_s = perf_counter() - begun
    assert inner.stored == [b"a", b"bc"]
    seconds = instruments.registry.get_sample_value("gateway_object_store_seconds_sum", {"operation": "put"})
    assert seconds is not None
    assert 0 <= seconds <= in_all_s - len(inner.stored) * PAUSE_S


async def test_trouble_while_an_object_is_used_is_no_operation_of_the_store() -> None:
    store, instruments = measured()
    with pytest.raises(Unavailable):
        async with store.open(KEY):
            raise Unavailable("Something else is down.")
    labels = {"operation": "get"}
    assert instruments.registry.get_sample_value("gateway_object_store_failures_total", labels) == 0
