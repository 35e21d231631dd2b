"""What lies under a path, and how far a sync to it can be trusted.

Ground floor. What returned from a sync outlives a crash of the machine only where the file system and the disk below
it keep their word. Some never do, others were mounted so that they do not, and a library can take the syncs out of a
process altogether. Linux tells all that under /proc; where nobody tells, nothing is said.

What a mount leaves unordered (ext4's `data=writeback`) is no weakness here: nothing of ours is told before its own
sync has returned.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

_PROC: Final = Path("/proc/self")
_MEMORY: Final = frozenset({"tmpfs", "ramfs", "rootfs"})
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "ncpfs", "fuse"}
)
"""And all that is called `fuse.` something: most of those have a network behind them, and none promises locks."""
_UNSYNCED: Final = frozenset({"nobarrier", "barrier=0", "volatile", "fsync=volatile"})
"""Options of ext4, XFS and btrfs by which a disk may keep in its own memory what was synced; of overlayfs, by which
it does not sync at all."""
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@frozen
class FileSystem:
    """A mount: its kind as the kernel calls it, where it is mounted, and the options of mount and file system."""

    kind: str
    mounted_at: str
    options: frozenset[str]

    @property
    def is_memory(self) -> bool:
        """All in it is gone with the machine, or with the container."""
        return self.kind in _MEMORY

    @property
    def is_network(self) -> bool:
        """What a sync and a lock are worth there is up to others."""
        return self.kind in _NETWORK or self.kind.startswith("fuse.")

    @property
    def unsynced_by(self) -> str | None:
        """The option by which a sync returns too early."""
        return next(iter(sorted(self.options & _UNSYNCED)), None)

    def __str__(self) -> str:
        return f"{self.kind} at {self.mounted_at}"


def file_system_of(path: Path) -> FileSystem | None:
    """That of an existing file or folder, links followed; None where the kernel does not tell. Blocks.

    By the id of its mount, so that neither a mount over another one nor a bound folder is mistaken.
    """
    if sys.platform != "linux":
        return None
    try:
        # To close any other descriptor of a file would let go of the locks that SQLite has on it.
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        mount_id = _mount_id((_PROC / "fdinfo" / str(descriptor)).read_text())
        return mounts_in((_PROC / "mountinfo").read_text(errors="surrogateescape")).get(mount_id)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def weaknesses(path: Path, what: str, setting: str) -> tuple[str, ...]:
    """Why `what` lies less safely at that path than its syncs say: a sentence each, with what to do. Blocks.

    `setting` names what moves it elsewhere.
    """
    found = file_system_of(path)
    return () if found is None else tuple(f"{what} lies on {text}" for text in _told(found, setting))


def _told(found: FileSystem, setting: str) -> Iterator[str]:
    if found.is_memory:
        yield (
            f"{found}, which is memory: what was accepted is gone when the machine goes down. Move it to a disk "
            f"({setting})."
        )
    if found.is_network:
        yield (
            f"{found}, a network file system, whose locks and syncs are not to be trusted: a crash may take or damage "
            f"what was accepted. Move it to a disk of this machine ({setting})."
        )
    if found.unsynced_by is not None:
        yield (
            f"{found}, mounted with {found.unsynced_by}: a power cut may take what was accepted. Mount it without, or "
            f"move it elsewhere ({setting})."
        )


def mounts_in(mountinfo: str) -> dict[int, FileSystem]:
    """The mounts of a process by their ids, from the text of its `mountinfo` (proc_pid_mountinfo(5))."""
    return {int(fields[0]): _file_system(fields) for fields in map(str.split, mountinfo.splitlines())}


def syncs_are_left_out() -> bool:
    """Whether libeatmydata is in this process: it makes every sync return at once, with nothing done. Blocks."""
    try:
        return "/libeatmydata.so" in (_PROC / "maps").read_text(errors="surrogateescape")
    except OSError:
        return False


def make_folder(path: Path, mode: int = 0o777) -> None:
    """The folder and those above it, synced, so that they outlive a crash of the machine. Blocks."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(mode, exist_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mount_id(fdinfo: str) -> int:
    for line in fdinfo.splitlines():
        name, _, value = line.partition(":")
        if name == "mnt_id":
            return int(value)
    return -1


def _file_system(fields: list[str]) -> FileSystem:
    """Before the dash: id, parent, device, root, mounted at, options, and any more; after it: kind, source, options."""
    dash = fields.index("-")
    options = {*fields[5].split(","), *fields[dash + 3].split(",")}
    return FileSystem(fields[dash + 1], _ESCAPED.sub(_character, fields[4]), frozenset(options))


def _character(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 8))
