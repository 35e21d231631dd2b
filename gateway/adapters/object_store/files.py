"""The file of one object: written aside and moved to its place, or read. All of it blocks: for threads.

Threads use a file one at a time, and none once it is closed: whoever stops waiting for a step (a deadline, a
cancellation) closes the file, and then knows that nothing writes to it or reads from it any more.
"""

import contextlib
import errno
import fcntl
import os
import random
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from attrs import define, field, frozen

from gateway.adapters.object_store.folders import sync_all, walk
from gateway.adapters.object_store.keys import BadKey

PLACE_S = 10.0  # no run of deletes wins so long; below the store's own deadline
LONGEST_PAUSE_S = 0.005
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
IN_THE_WAY = (errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)


@frozen
class FileFacts:
    """Size in bytes, and a word that changes with the content."""

    size: int
    etag: str


class NoSuchFile(Exception):
    """No regular file is there."""


@define(eq=False)
class _HeldFile:
    _descriptor: int | None = field(init=False, default=None)
    _lock: Lock = field(init=False, factory=Lock)
    _is_closed: bool = field(init=False, default=False)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock:
            if self._is_closed:
                raise OSError(errno.EBADF, "closed meanwhile")
            yield

    def _close(self) -> None:
        self._is_closed = True
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@define(eq=False)
class NewFile(_HeldFile):
    """A file that takes its place once it is whole and synced. Locked, so that no other process cleans it away."""

    path: Path
    """Where it is written; on the same file system as its place."""
    _is_given_up: bool = field(init=False, default=False)

    def give_up(self) -> None:
        """It takes its place no more, unless it is about to. Waits for no thread, however long a disk holds one."""
        self._is_given_up = True

    def write(self, chunks: Sequence[bytes]) -> None:
        with self._turn():
            self._write(chunks)

    def place(self, chunks: Sequence[bytes], bucket: Path, parts: Sequence[str]) -> FileFacts:
        """Write the last chunks and move it to its place. Raises BadKey when another object is in the way."""
        with self._turn():
            facts = self._write_and_sync(chunks)
            if self._is_given_up:
                raise OSError(errno.ECANCELED, "nobody waits for it any more")
            try:
                self._move(bucket, parts)
            except OSError as error:
                if error.errno in IN_THE_WAY:
                    raise BadKey("Another object is in the way of this key.", detail=str(error)) from error
                raise
            self._close()
            return facts

    def try_out(self) -> None:
        """Write a little, sync and remove it."""
        try:
            with self._turn():
                self._write_and_sync([b"works"])
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove it, unless it has taken its place."""
        with self._lock:
            if self._is_closed:
                return
            try:
                self.path.unlink(missing_ok=True)
            finally:
                self._close()

    def _write(self, chunks: Sequence[bytes]) -> int:
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o666)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rest = memoryview(b"".join(chunks))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        return self._descriptor

    def _write_and_sync(self, chunks: Sequence[bytes]) -> FileFacts:
        descriptor = self._write(chunks)
        now = (
            time.time_ns()
        )  # file systems stamp by the tick, some milliseconds apart: too coarse for an etag
        os.utime(descriptor, ns=(now, now))
        os.fdatasync(descriptor)
        return _facts(os.fstat(descriptor))

    def _move(self, bucket: Path, parts: Sequence[str]) -> None:
        """Again from the start whenever a delete has just removed one of the folders as empty.

        The pause's length is left to chance, or two that go at the same pace would meet again and again.
        """
        give_up_at = time.monotonic() + PLACE_S
        while True:
            try:
                with walk(bucket, parts[:-1], make=True) as chain:
                    os.rename(self.path, parts[-1], dst_dir_fd=chain[-1])
                    sync_all(chain)
                    return
            except FileNotFoundError:
                if time.monotonic() > give_up_at or not self.path.exists():
                    raise
            time.sleep(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - no secret


@define(eq=False)
class StoredFile(_HeldFile):
    """A file to read; it stays whole when another takes its place meanwhile."""

    bucket: Path
    parts: Sequence[str]

    def open(self) -> FileFacts:
        """Raises NoSuchFile."""
        with self._turn():
            try:
                self._descriptor = self._open()
            except OSError as error:
                if error.errno in NOT_THERE:
                    raise NoSuchFile from error
                raise
            status = os.fstat(self._descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NoSuchFile
            return _facts(status)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        with self._turn():
            assert self._descriptor is not None  # noqa: S101 - open comes first
            return os.pread(self._descriptor, size, offset)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _open(self) -> int:
        with walk(self.bucket, self.parts[:-1]) as chain:
            flags = (
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )  # a pipe put there must not block
            return os.open(self.parts[-1], flags, dir_fd=chain[-1])


def remove_leftovers(folder: Path) -> int:
    """Remove the new files whose writer has died; say how many."""
    with os.scandir(folder) as entries:
        files = [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
    return sum(_remove_unlocked(path) for path in files)


def _remove_unlocked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, FileNotFoundError):  # its writer lives, or has just placed it
        return False
    return True


def _facts(status: os.stat_result) -> FileFacts:
    return FileFacts(status.st_size, f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}")
