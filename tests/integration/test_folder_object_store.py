"""What is the folder's own: a disk that is full, a process that is killed, keys and links that want out of it."""

import asyncio
import errno
import hashlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.object_store.files import NewFile
from gateway.adapters.object_store.folder import FolderObjectStore, open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.errors import BadInput, GatewayError, NotFound, TooLarge, Unavailable
from gateway.ports.object_store import Bucket, ObjectKey
from tests.files_below import files_below
from tests.patience import PATIENCE_S
from tests.traced_memory import traced_memory

ROOT = Path(__file__).parents[2]
MB = 1024 * 1024


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FolderObjectStore]:
    async with open_folder_store(ObjectStoreSettings(), tmp_path / "objects") as store:
        yield store


def original(key: str) -> ObjectKey:
    return ObjectKey(Bucket.ORIGINAL, key)


async def put(store: FolderObjectStore, key: str, content: bytes = b"x", max_bytes: int = 100 * MB) -> None:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 64 * 1024):
            yield content[start : start + 64 * 1024]

    await store.put(original(key), body(), media_type="image/jpeg", max_bytes=max_bytes)


async def get(store: FolderObjectStore, key: str) -> bytes:
    async with store.open(original(key)) as reader:
        return b"".join([chunk async for chunk in reader.chunks])


def files_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in files_below(folder)]


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_child(what: str, folder: Path, *before: str) -> AsyncIterator[Process]:
    program = [*before, sys.executable, "-m", "tests.integration.folder_store_child", what, str(folder)]
    process = await asyncio.create_subprocess_exec(*program, stdout=PIPE, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def word_of(child: Process) -> Any:
    assert child.stdout is not None
    return json.loads(await asyncio.wait_for(child.stdout.readline(), 30))


def on_a_small_disk(folder: Path) -> list[str]:
    """A command line that runs the rest of it where `folder` is a disk of 2 MB, seen by nobody else."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size=2m tmpfs "{folder}" && exec "$0" "$@"'
    return ["unshare", "--mount", *as_root, "sh", "-c", mount]


async def test_on_a_full_disk_there_is_no_room_and_nothing_half_stored(tmp_path: Path) -> None:
    async with a_child("fill", tmp_path, *on_a_small_disk(tmp_path)) as child:
        assert await word_of(child) == {
            "large": "NoRoom",
            "large is there": False,
            "again": "NoRoom",
            "again is there": False,
            "temporary files": [],
            "after that": None,
            "check": "NoRoom",
        }


async def test_a_process_killed_in_mid_put_leaves_no_object_and_the_next_start_cleans_up(
    tmp_path: Path,
) -> None:
    async with a_child("stall", tmp_path) as child:
        assert await word_of(child) == "stalled"
        [temporary] = files_in(tmp_path)
        assert temporary.startswith(".tmp/")
        child.send_signal(signal.SIGKILL)
        await child.wait()
    async with open_folder_store(ObjectStoreSettings(), tmp_path):
        assert files_in(tmp_path) == []


async def test_a_start_leaves_alone_what_a_living_process_is_writing(tmp_path: Path) -> None:
    async with a_child("stall", tmp_path) as child:
        assert await word_of(child) == "stalled"
        async with open_folder_store(ObjectStoreSettings(), tmp_path):
            assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("after_s", [0.02, 0.07, 0.15])
async def test_whenever_it_is_killed_each_object_is_whole(tmp_path: Path, after_s: float) -> None:
    async with a_child("put", tmp_path) as child:
        assert await word_of(child) == "started"
        await asyncio.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        await child.wait()
    async with open_folder_store(ObjectStoreSettings(), tmp_path):
        objects = files_in(tmp_path)
        assert [Path(path).name for path in objects] == [
            hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() for path in objects
        ]


async def test_the_loop_never_touches_the_disk(tmp_path: Path) -> None:
    async with a_child("watch", tmp_path) as child:
        calls = await word_of(child)
    assert calls["by the loop"] == []
    assert {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "fcntl.flock"} <= set(
        calls["by others"]
    )


HOSTILE_PARTS = st.sampled_from(
    ["", ".", "..", "...", "a", "link", "file-link", "loop", "secret", "\0", "~", "\udcff", "x" * 256, ".tmp"]
)
HOSTILE_KEYS = st.lists(HOSTILE_PARTS | st.text(max_size=5), min_size=1, max_size=6).map("/".join)


def test_no_key_and_no_link_leads_out_of_the_bucket(tmp_path: Path) -> None:
    outside, objects = tmp_path / "outside", tmp_path / "objects"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    bucket = objects / "original"
    bucket.mkdir(parents=True)
    (bucket / "link").symlink_to(outside)
    (bucket / "file-link").symlink_to(outside / "secret")
    (bucket / "loop").symlink_to("loop")

    async def try_all(store: FolderObjectStore, key: str) -> None:
        contents = []
        for call in (get(store, key), put(store, key, b"ours"), get(store, key), store.delete(original(key))):
            try:
                contents.append(await call)
            except (NotFound, BadInput):
                continue
        assert b"secret" not in contents

    @settings(max_examples=300, deadline=None)
    @given(HOSTILE_KEYS)
    def run(key: str) -> None:
        runner.run(try_all(store, key))
        assert files_in(outside) == ["secret"]
        assert (outside / "secret").read_bytes() == b"secret"
        assert sorted(path.name for path in objects.iterdir()) == [".tmp", "original", "processed"]
        assert files_in(objects / ".tmp") == []

    with asyncio.Runner() as runner:
        context = open_folder_store(ObjectStoreSettings(), objects)
        store = runner.run(context.__aenter__())
        try:
            run()
        finally:
            runner.run(context.__aexit__(None, None, None))


async def test_a_link_is_no_object(store: FolderObjectStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (store.folder / "original" / "file-link").symlink_to(tmp_path / "secret")
    (store.folder / "original" / "link").symlink_to(tmp_path)
    for key in ("file-link", "link/secret"):
        with pytest.raises(NotFound):
            await get(store, key)
    with pytest.raises(BadInput):
        await put(store, "link/new")
    await put(store, "file-link", b"ours")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert await get(store, "file-link") == b"ours"


async def test_a_pipe_or_a_folder_is_no_object_and_nobody_waits_for_it(store: FolderObjectStore) -> None:
    os.mkfifo(store.folder / "original" / "pipe")
    (store.folder / "original" / "folder").mkdir()
    for key in ("pipe", "folder"):
        with pytest.raises(NotFound):
            await asyncio.wait_for(get(store, key), PATIENCE_S)


async def test_a_key_that_is_the_folder_of_another_is_refused(store: FolderObjectStore) -> None:
    await put(store, "a/b")
    for key in ("a", "a/b/c"):
        with pytest.raises(BadInput):
            await put(store, key)
    assert files_in(store.folder) == ["original/a/b"]


async def test_a_delete_leaves_no_empty_folder_and_the_bucket(store: FolderObjectStore) -> None:
    await put(store, "a/b/c/object")
    await put(store, "a/neighbour")
    await store.delete(original("a/b/c/object"))
    assert sorted(path.name for path in (store.folder / "original" / "a").iterdir()) == ["neighbour"]
    await store.delete(original("a/neighbour"))
    assert list((store.folder / "original").iterdir()) == []


async def test_a_put_succeeds_though_its_folder_is_removed_again_and_again(store: FolderObjectStore) -> None:
    """As deletes of its neighbours do it, in the instant between making the folder and moving the file there."""
    folder = store.folder / "original" / "a"
    async with a_child("remove", folder) as child:
        assert await word_of(child) == "started"
        for _ in range(150):
            await put(store, "a/object")
            await store.delete(original("a/object"))


async def test_a_put_succeeds_though_several_remove_its_folder_all_the_time(store: FolderObjectStore) -> None:
    """More of them than this machine has processors: every other instant is theirs."""
    folder = store.folder / "original" / "a"
    async with AsyncExitStack() as children:
        for _ in range(4):
            child = await children.enter_async_context(a_child("remove", folder))
            assert await word_of(child) == "started"
        for _ in range(20):
            await put(store, "a/object")
            await store.delete(original("a/object"))


async def test_a_put_whose_temporary_file_was_removed_fails_at_once(store: FolderObjectStore) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * MB
        for file in (store.folder / ".tmp").iterdir():
            file.unlink()

    with pytest.raises(Unavailable):
        async with asyncio.timeout(PATIENCE_S):
            await store.put(original("a/object"), body(), media_type="image/jpeg", max_bytes=2 * MB)


async def test_a_volume_that_is_gone_is_unavailable_not_empty(store: FolderObjectStore) -> None:
    await put(store, "a")
    (store.folder / "original").rename(store.folder / "elsewhere")
    for call in (get(store, "a"), store.head(original("a")), put(store, "b"), store.check()):
        with pytest.raises(Unavailable):
            await call
    with pytest.raises(Unavailable):
        await store.delete(original("a"))
    (store.folder / "elsewhere").rename(store.folder / "original")
    assert await get(store, "a") == b"x"
    await store.check()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        await open_folder_store(ObjectStoreSettings(), tmp_path / "file" / "objects").__aenter__()


async def test_a_step_that_takes_too_long_is_unavailable_and_nothing_is_left(tmp_path: Path) -> None:
    async with open_folder_store(ObjectStoreSettings(), tmp_path):
        pass
    store = FolderObjectStore(ObjectStoreSettings(timeout_s=1e-6, check_timeout_s=1e-6), tmp_path)
    for call in (put(store, "a", b"x" * MB), store.check(), store.delete(original("b")), get(store, "c")):
        with pytest.raises(Unavailable):
            await call
    await eventually(lambda: files_in(tmp_path / ".tmp") == [])
    store.close()


async def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    async with open_folder_store(ObjectStoreSettings(), tmp_path) as store:
        pass
    for call in (put(store, "a"), get(store, "a"), store.check(), store.delete(original("a"))):
        with pytest.raises(Unavailable):
            await call


async def test_an_object_cut_while_it_is_read_is_an_error_not_an_end(store: FolderObjectStore) -> None:
    await put(store, "a", b"x" * MB)
    async with store.open(original("a")) as reader:
        await anext(reader.chunks)
        os.truncate(store.folder / "original" / "a", 300_000)
        with pytest.raises(Unavailable):
            [chunk async for chunk in reader.chunks]


async def test_whatever_goes_wrong_no_temporary_file_and_no_descriptor_is_left(
    store: FolderObjectStore,
) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"x" * MB
        raise OSError(errno.ENOSPC, "the sender's disk is full, not ours")

    async def go_wrong(turn: int) -> None:
        with pytest.raises(TooLarge):
            await put(store, "a", b"x" * MB, max_bytes=MB - 1)
        with pytest.raises(OSError, match="sender"):
            await store.put(original("a"), cut(), media_type="image/jpeg", max_bytes=2 * MB)
        with pytest.raises(BadInput):
            await put(store, "kept/a")
        for call in (put(store, "kept", b"x" * MB), get(store, "kept")):
            task = asyncio.create_task(call)
            await asyncio.sleep(turn * 0.0002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    await put(store, "kept", b"x" * MB)
    before = open_descriptors()
    for turn in range(20):
        await go_wrong(turn)
    await eventually(lambda: open_descriptors() <= before)
    assert files_in(store.folder) == ["original/kept"]


async def test_a_put_and_a_reader_hold_a_few_pieces_in_memory(store: FolderObjectStore) -> None:
    chunk = b"x" * 65_536

    async def body() -> AsyncIterator[bytes]:
        for _ in range(32 * 16):
            yield bytes(bytearray(chunk))

    await put(store, "warm-up", chunk)
    with traced_memory() as traced:
        await store.put(original("large"), body(), media_type="image/jpeg", max_bytes=100 * MB)
        async with store.open(original("large")) as reader:
            async for _ in reader.chunks:
                pass
    assert traced.peak_bytes < 2 * MB


async def test_errors_for_clients_name_no_path(tmp_path: Path) -> None:
    async with open_folder_store(ObjectStoreSettings(), tmp_path / "objects") as store:
        (store.folder / "original").rmdir()
        with pytest.raises(GatewayError) as failed:
            await put(store, "a")
    assert str(tmp_path) not in failed.value.text
    assert str(tmp_path) in failed.value.detail


def test_what_nobody_waits_for_any_more_takes_no_place(tmp_path: Path) -> None:
    """A disk may hold a thread in a sync for as long as it likes."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    file = NewFile(tmp_path / "temporary")
    file.write([b"all of it"])
    file.give_up()
    with pytest.raises(OSError, match="nobody waits for it"):
        file.place([], bucket, ["a.jpg"])
    file.discard()
    assert files_in(tmp_path) == []
