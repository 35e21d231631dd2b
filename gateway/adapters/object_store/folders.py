"""Steps through a bucket's folders that never leave it, and leave nothing unsynced or empty behind.

Each folder is opened by its name inside the one before, no symbolic link followed, so that neither a link nor a
folder that is moved meanwhile can lead elsewhere. All of it blocks: for threads.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import Unavailable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def walk(bucket: Path, folders: Sequence[str], *, make: bool = False) -> Iterator[list[int]]:
    """Open descriptors of the bucket and of each folder in turn, made where missing if asked.

    Raises Unavailable when the bucket itself is not there: a volume that is not mounted has no objects to miss.
    """
    chain = [_open_bucket(bucket)]
    try:
        for name in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=chain[-1])
            chain.append(os.open(name, _FOLDER, dir_fd=chain[-1]))
        yield chain
    finally:
        for descriptor in chain:
            os.close(descriptor)


def sync_all(chain: Sequence[int]) -> None:
    """Innermost first. All of them: one that was there already may have been made a moment ago by another put."""
    for descriptor in reversed(chain):
        os.fsync(descriptor)


def remove_file(bucket: Path, parts: Sequence[str]) -> None:
    """Remove the file that the parts name, and the folders that it leaves empty. None there: fine."""
    try:
        with walk(bucket, parts[:-1]) as chain:
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(parts[-1], dir_fd=chain[-1])
            survivor = _remove_empty(chain, parts[:-1])
            os.fsync(survivor)
    except (FileNotFoundError, NotADirectoryError):
        return


def _remove_empty(chain: Sequence[int], folders: Sequence[str]) -> int:
    """The innermost folder that is left. A put that was about to use a removed one begins its walk again."""
    for depth in range(len(folders), 0, -1):
        try:
            os.rmdir(folders[depth - 1], dir_fd=chain[depth - 1])
        except OSError:  # not empty, or gone already: whatever it is, it stays
            return chain[depth]
    return chain[0]


def _open_bucket(bucket: Path) -> int:
    try:
        return os.open(bucket, _FOLDER)
    except OSError as error:
        raise Unavailable("The object storage is not there.", detail=str(error)) from error
