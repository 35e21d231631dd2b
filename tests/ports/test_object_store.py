"""What every object store promises, whichever it is: a new adapter adds its opener to `OPENERS`, and nothing else."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import orjson
import pytest

from gateway.adapters.object_store.folder import open_folder_store
from gateway.adapters.object_store.s3.store import open_s3_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.errors import BadInput, RangeRefused, TooLarge
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore, StoredObject
from tests.golden import golden
from tests.patience import PATIENCE_S
from tests.servers.s3 import S3Server

MB = 1024 * 1024
PHOTO = ObjectKey(Bucket.ORIGINAL, "b-1/original.jpg")


Opener = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[ObjectStore]]


def folder(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[ObjectStore]:
    tmp_path: Path = request.getfixturevalue("tmp_path")
    return open_folder_store(ObjectStoreSettings(), tmp_path / "objects")


def s3(server: str) -> Opener:
    def opener(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[ObjectStore]:
        running: S3Server = request.getfixturevalue(server)
        return open_s3_store(ObjectStoreSettings(kind="s3", **running.options()))

    return opener


OPENERS: dict[str, Opener] = {"folder": folder, "rclone": s3("rclone"), "moto": s3("moto")}


@pytest.fixture(params=OPENERS)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[ObjectStore]:
    async with OPENERS[request.param](request) as store:
        yield store


def some_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def in_chunks(content: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def put(
    store: ObjectStore, content: bytes, key: ObjectKey = PHOTO, chunk_bytes: int = 64 * 1024
) -> StoredObject:
    return await store.put(
        key, in_chunks(content, chunk_bytes), media_type="image/jpeg", max_bytes=len(content)
    )


async def get(store: ObjectStore, key: ObjectKey = PHOTO, start: int = 0, end: int | None = None) -> bytes:
    async with store.open(key, start=start, end=end) as reader:
        return b"".join([chunk async for chunk in reader.chunks])


async def is_there(store: ObjectStore, key: ObjectKey = PHOTO) -> bool:
    try:
        await store.head(key)
    except ObjectNotFound:
        return False
    return True


@pytest.mark.parametrize("size", [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 3 * MB + 7])
async def test_what_was_put_is_read_back(store: ObjectStore, size: int) -> None:
    content = some_bytes(size)
    await put(store, content)
    assert await get(store) == content


@pytest.mark.parametrize("chunk_bytes", [1, 1000, 1 * MB])
async def test_the_chunks_of_a_body_do_not_matter(store: ObjectStore, chunk_bytes: int) -> None:
    content = some_bytes(chunk_bytes * 3 + 1)
    await put(store, content, chunk_bytes=chunk_bytes)
    assert await get(store) == content


async def test_empty_chunks_are_no_end(store: ObjectStore) -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in (b"", b"a", b"", b"b", b""):
            yield chunk

    await store.put(PHOTO, body(), media_type="image/jpeg", max_bytes=2)
    assert await get(store) == b"ab"


async def test_put_head_and_open_agree_on_key_size_and_etag(store: ObjectStore) -> None:
    stored = await put(store, b"12345")
    async with store.open(PHOTO) as reader:
        assert reader.stored == await store.head(PHOTO) == stored
    assert (stored.key, stored.size) == (PHOTO, 5)


async def test_the_etag_stays_with_the_content_and_changes_with_it(store: ObjectStore) -> None:
    etags = [(await put(store, content)).etag for content in (b"one", b"two", b"six", b"longer")]
    assert len(set(etags)) == 4
    assert (await store.head(PHOTO)).etag == etags[-1]
    assert all('"' not in etag for etag in etags)


async def test_a_put_takes_the_place_of_what_was_there(store: ObjectStore) -> None:
    await put(store, b"a longer one before")
    await put(store, b"after")
    assert await get(store) == b"after"


async def test_the_buckets_are_apart(store: ObjectStore) -> None:
    await put(store, b"original")
    processed = ObjectKey(Bucket.PROCESSED, PHOTO.key)
    assert not await is_there(store, processed)
    await put(store, b"processed", processed)
    assert (await get(store), await get(store, processed)) == (b"original", b"processed")


NAMES = sorted({orjson.loads(case["body"])["original_path"] for case in golden("image_upload.tolerated")})


@pytest.mark.parametrize(
    "key", [*NAMES, "t/" + "ü" * 125 + ".jpg", "t/a\\b.jpg", "t/... .jpg", "no-folder.jpg"]
)
async def test_any_name_of_real_traffic_is_a_key(store: ObjectStore, key: str) -> None:
    here = ObjectKey(Bucket.PROCESSED, key)
    await put(store, key.encode(), here)
    assert await get(store, here) == key.encode()
    await store.delete(here)
    assert not await is_there(store, here)


async def test_keys_that_differ_by_escapes_or_normal_form_are_different(store: ObjectStore) -> None:
    keys = [
        ObjectKey(Bucket.ORIGINAL, f"t/{name}")
        for name in ("a b", "a+b", "a%20b", "a%2520b", "\u00fc", "u\u0308", "A B")
    ]
    for key in keys:
        await put(store, key.key.encode(), key)
    assert [await get(store, key) for key in keys] == [key.key.encode() for key in keys]


NO_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "../../etc/x",
    "a/./b",
    "a\0b",
    "x" * 1025,
    "\udc80",
]


@pytest.mark.parametrize("key", NO_KEYS)
async def test_nothing_can_be_put_under_what_is_no_key(store: ObjectStore, key: str) -> None:
    with pytest.raises(BadInput):
        await put(store, b"x", ObjectKey(Bucket.ORIGINAL, key))


@pytest.mark.parametrize("key", NO_KEYS)
async def test_nothing_lies_under_what_is_no_key(store: ObjectStore, key: str) -> None:
    here = ObjectKey(Bucket.ORIGINAL, key)
    assert not await is_there(store, here)
    with pytest.raises(ObjectNotFound):
        await get(store, here)
    await store.delete(here)


async def test_a_body_of_just_the_bound_is_taken(store: ObjectStore) -> None:
    await store.put(PHOTO, in_chunks(b"x" * 1000, 10), media_type="image/jpeg", max_bytes=1000)
    assert (await store.head(PHOTO)).size == 1000


@pytest.mark.parametrize("size", [1001, 2 * MB])
async def test_one_byte_over_the_bound_and_nothing_is_stored(store: ObjectStore, size: int) -> None:
    with pytest.raises(TooLarge):
        await store.put(PHOTO, in_chunks(b"x" * size), media_type="image/jpeg", max_bytes=size - 1)
    assert not await is_there(store)


class BodyError(ConnectionResetError):
    """An error of the sender's side: an OSError, as aiohttp's is, and yet none of the store's own."""


async def cut_after(size: int) -> AsyncIterator[bytes]:
    async for chunk in in_chunks(some_bytes(size)):
        yield chunk
    raise BodyError("the client has gone")


@pytest.mark.parametrize("size", [0, 1000, 6 * MB])
async def test_a_put_cut_halfway_leaves_no_object_and_passes_the_error_on(
    store: ObjectStore, size: int
) -> None:
    with pytest.raises(BodyError):
        await store.put(PHOTO, cut_after(size), media_type="image/jpeg", max_bytes=10 * MB)
    assert not await is_there(store)


async def test_a_put_cut_halfway_leaves_what_was_there(store: ObjectStore) -> None:
    before = await put(store, b"before")
    with pytest.raises(BodyError):
        await store.put(PHOTO, cut_after(MB), media_type="image/jpeg", max_bytes=10 * MB)
    assert await get(store) == b"before"
    assert await store.head(PHOTO) == before


@pytest.mark.parametrize("size", [1000, 6 * MB])
async def test_a_put_cancelled_in_mid_body_leaves_no_object(store: ObjectStore, size: int) -> None:
    stalled = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        async for chunk in in_chunks(some_bytes(size)):
            yield chunk
        stalled.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(store.put(PHOTO, body(), media_type="image/jpeg", max_bytes=10 * MB))
    await asyncio.wait_for(stalled.wait(), PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await is_there(store)


async def test_a_put_cancelled_at_any_moment_leaves_the_whole_object_or_none(store: ObjectStore) -> None:
    content = some_bytes(700_000)
    for turn in range(40):
        key = ObjectKey(Bucket.ORIGINAL, f"cancelled/{turn}")
        task = asyncio.create_task(put(store, content, key))
        await asyncio.sleep(turn * 0.0003)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not await is_there(store, key) or await get(store, key) == content


async def test_of_concurrent_puts_of_one_key_one_wins_whole(store: ObjectStore) -> None:
    contents = [some_bytes(400_000, seed) for seed in range(8)]
    stored = await asyncio.gather(*(put(store, content) for content in contents))
    assert await get(store) in contents
    assert await store.head(PHOTO) in stored


async def test_a_reader_goes_on_with_the_old_whole_while_it_is_replaced(store: ObjectStore) -> None:
    old, new = some_bytes(2 * MB, 1), some_bytes(2 * MB, 2)
    await put(store, old)
    async with store.open(PHOTO) as reader:
        first = await anext(reader.chunks)
        await put(store, new)
        rest = [chunk async for chunk in reader.chunks]
    assert hashlib.sha256(b"".join([first, *rest])).digest() == hashlib.sha256(old).digest()
    assert await get(store) == new


async def test_a_reader_that_stops_early_harms_nothing(store: ObjectStore) -> None:
    content = some_bytes(2 * MB)
    await put(store, content)
    for _ in range(30):
        async with store.open(PHOTO) as reader:
            assert content.startswith(await anext(reader.chunks))
    assert await get(store) == content


async def test_a_reader_cancelled_in_the_middle_harms_nothing(store: ObjectStore) -> None:
    content = some_bytes(2 * MB)
    await put(store, content)
    for turn in range(30):
        task = asyncio.create_task(get(store))
        await asyncio.sleep(turn * 0.0002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await get(store) == content


async def test_the_body_of_an_open_object_may_be_left_unread(store: ObjectStore) -> None:
    await put(store, some_bytes(MB))
    for _ in range(100):
        async with store.open(PHOTO) as reader:
            assert reader.stored.size == MB


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, None), (0, 10), (3, 7), (3, None), (9, 10), (9, 99), (0, 99), (0, 0), (4, 4), (7, 3), (10, 10), (50, 50)],
)  # fmt: skip
async def test_a_range_is_what_a_slice_would_be(store: ObjectStore, start: int, end: int | None) -> None:
    await put(store, b"0123456789")
    assert await get(store, start=start, end=end) == b"0123456789"[start:end]


async def test_a_range_over_several_pieces_is_exact(store: ObjectStore) -> None:
    content = some_bytes(2 * MB)
    await put(store, content)
    assert await get(store, start=1234, end=1_500_001) == content[1234:1_500_001]


@pytest.mark.parametrize(("start", "end"), [(10, None), (10, 11), (11, None), (99, 100)])
async def test_a_range_past_the_end_is_refused_with_the_size(
    store: ObjectStore, start: int, end: int | None
) -> None:
    await put(store, b"0123456789")
    with pytest.raises(RangeRefused) as refused:
        await get(store, start=start, end=end)
    assert refused.value.size == 10


@pytest.mark.parametrize("end", [None, 0, 100])
async def test_an_empty_object_has_a_beginning(store: ObjectStore, end: int | None) -> None:
    await put(store, b"")
    assert await get(store, start=0, end=end) == b""


async def test_what_was_never_put_is_not_found(store: ObjectStore) -> None:
    await put(store, b"x", ObjectKey(Bucket.ORIGINAL, "b-1/another"))
    for key in (PHOTO, ObjectKey(Bucket.ORIGINAL, "b-2/original.jpg"), ObjectKey(Bucket.ORIGINAL, "b-1")):
        assert not await is_there(store, key)
        with pytest.raises(ObjectNotFound):
            await get(store, key)


async def test_a_deleted_object_is_gone_and_its_neighbours_stay(store: ObjectStore) -> None:
    neighbour = ObjectKey(Bucket.ORIGINAL, "b-1/neighbour")
    await put(store, b"a")
    await put(store, b"b", neighbour)
    await store.delete(PHOTO)
    assert not await is_there(store)
    assert await get(store, neighbour) == b"b"


async def test_deleting_what_is_not_there_is_fine(store: ObjectStore) -> None:
    await store.delete(PHOTO)
    await put(store, b"a")
    await store.delete(PHOTO)
    await store.delete(PHOTO)
    await store.delete(ObjectKey(Bucket.ORIGINAL, "b-1/original.jpg/deeper"))
    assert not await is_there(store)


async def test_a_key_can_be_put_again_after_its_end(store: ObjectStore) -> None:
    await put(store, b"a")
    await store.delete(PHOTO)
    await put(store, b"b")
    assert await get(store) == b"b"


async def test_puts_and_deletes_beside_each_other_never_fail(store: ObjectStore) -> None:
    """Beside one that stays: rclone removes an empty folder from under a put, now and then."""
    await put(store, b"stays", ObjectKey(Bucket.ORIGINAL, "deep/er/b-1/stays"))

    async def come_and_go(number: int) -> None:
        key = ObjectKey(Bucket.ORIGINAL, f"deep/er/b-1/{number}")
        for _ in range(25):
            await put(store, b"x", key)
            assert await get(store, key) == b"x"
            await store.delete(key)

    await asyncio.gather(*(come_and_go(number) for number in range(6)))


async def test_a_working_store_says_so_in_one_line(store: ObjectStore) -> None:
    line = await store.check()
    assert line
    assert "\n" not in line
