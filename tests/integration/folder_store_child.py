"""What the tests of the folder store run in a process of its own: to kill it, to fill its disk, to watch its threads.

python -m tests.integration.folder_store_child WHAT FOLDER
"""

import asyncio
import contextlib
import hashlib
import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import structlog

from gateway.adapters.object_store.folder import FolderObjectStore, open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.errors import GatewayError
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound

MB = 1024 * 1024


async def put(store: FolderObjectStore, key: str, content: bytes, *, then_stall: bool = False) -> None:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 64 * 1024):
            yield content[start : start + 64 * 1024]
        if then_stall:
            say("stalled")
            await asyncio.Event().wait()

    await store.put(ObjectKey(Bucket.ORIGINAL, key), body(), media_type="image/jpeg", max_bytes=100 * MB)


def say(word: object) -> None:
    print(json.dumps(word), flush=True)


async def stall(store: FolderObjectStore) -> None:
    """Stop in the middle of a put, for ever."""
    await put(store, "stalled/object", os.urandom(MB), then_stall=True)


async def put_for_ever(store: FolderObjectStore) -> None:
    """Objects that are called as their content hashes, some of them again and again."""
    say("started")
    for number in count():
        content = str(number % 7).encode() * (300_000 + number % 7)
        await put(store, f"{number % 3}/{hashlib.sha256(content).hexdigest()}", content)


async def fill_the_disk(store: FolderObjectStore) -> None:
    """Of a disk of 2 MB: put what fits, what does not, and see what is left."""
    await put(store, "small", b"x" * MB)
    answers: dict[str, object] = {}
    for name, size in {"large": 3 * MB, "again": 3 * MB}.items():
        answers[name] = await error_of(put(store, name, b"x" * size))
        answers[f"{name} is there"] = await error_of(store.head(ObjectKey(Bucket.ORIGINAL, name))) is None
    answers["temporary files"] = [path.name for path in (store.folder / ".tmp").iterdir()]
    answers["after that"] = await error_of(put(store, "fits", b"x" * 1000))
    free = os.statvfs(store.folder).f_bavail
    (store.folder / "ballast").write_bytes(b"x" * free * os.statvfs(store.folder).f_bsize)
    answers["check"] = await error_of(store.check())
    say(answers)


async def error_of(call: object) -> str | None:
    try:
        await call  # type: ignore[misc]
    except (GatewayError, OSError) as error:
        return type(error).__name__
    return None


async def watch_threads(store: FolderObjectStore) -> None:
    """Say which calls that touch the store's folder were made by the loop's thread, and how many by others."""
    loop_thread = threading.get_ident()
    by_loop: list[str] = []
    by_others: list[str] = []

    def hook(event: str, _: object) -> None:
        if event.startswith("os.") or event in ("open", "shutil.disk_usage", "fcntl.flock"):
            (by_loop if threading.get_ident() == loop_thread else by_others).append(event)

    sys.addaudithook(hook)
    key = ObjectKey(Bucket.ORIGINAL, "a/b")
    await put(store, "a/b", b"x" * MB)
    async with store.open(key) as reader:
        async for _ in reader.chunks:
            pass
    await store.head(key)
    await store.check()
    await store.prepare()
    await error_of(put(store, "a", b"in the way"))
    await store.delete(key)
    try:
        await store.head(key)
    except ObjectNotFound:
        say({"by the loop": by_loop, "by others": sorted(set(by_others))})


def remove_for_ever(folder: str) -> None:
    """Remove that folder whenever it is there and empty."""
    say("started")
    while True:
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106 - a race that needs speed


async def main(what: str, folder: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # words alone go to stdout
    play = {"stall": stall, "put": put_for_ever, "fill": fill_the_disk, "watch": watch_threads}[what]
    async with open_folder_store(ObjectStoreSettings(), Path(folder)) as store:
        await play(store)


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    if what == "remove":
        remove_for_ever(folder)
    asyncio.run(main(what, folder))
