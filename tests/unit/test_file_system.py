"""What is known of mounts, from texts of the kernel; of real ones: tests/integration/test_weakened_durability.py."""

from pathlib import Path

import pytest

from gateway.file_system import FileSystem, file_system_of, make_folder, mounts_in, weaknesses

MOUNTINFO = r"""
22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
31 28 8:17 / /srv/old\040disk rw - ext4 /dev/sdb1 rw,nobarrier,data=writeback
95 28 0:51 /export /mnt/nas rw,relatime shared:40 master:2 - nfs4 10.0.0.7:/export rw,vers=4.2,hard
""".strip()


def test_a_mount_is_known_by_its_id_with_its_kind_place_and_all_its_options():
    assert mounts_in(MOUNTINFO)[95] == FileSystem(
        "nfs4", "/mnt/nas", frozenset({"rw", "relatime", "vers=4.2", "hard"})
    )


def test_a_blank_in_the_name_of_a_folder_is_a_blank():
    assert mounts_in(MOUNTINFO)[31].mounted_at == "/srv/old disk"


@pytest.mark.parametrize(
    ("kind", "is_memory", "is_network"),
    [
        ("tmpfs", True, False),
        ("ramfs", True, False),
        ("nfs", False, True),
        ("nfs4", False, True),
        ("cifs", False, True),
        ("9p", False, True),
        ("fuse.sshfs", False, True),
        ("fuse.s3fs", False, True),
        ("fuseblk", False, False),
        ("ext4", False, False),
        ("xfs", False, False),
        ("btrfs", False, False),
        ("zfs", False, False),
        ("overlay", False, False),
        ("one-that-nobody-knows", False, False),
    ],
)
def test_file_systems_that_do_not_keep_what_they_synced_are_known(kind, is_memory, is_network):
    found = FileSystem(kind, "/data", frozenset({"rw"}))
    assert (found.is_memory, found.is_network) == (is_memory, is_network)


@pytest.mark.parametrize("option", ["nobarrier", "barrier=0", "volatile", "fsync=volatile"])
def test_an_option_by_which_a_sync_returns_too_early_is_named(option):
    assert FileSystem("ext4", "/data", frozenset({"rw", "relatime", option})).unsynced_by == option


@pytest.mark.parametrize("option", ["barrier", "barrier=1", "data=writeback", "async", "noatime"])
def test_an_option_that_orders_less_and_syncs_all_the_same_is_no_weakness(option):
    assert FileSystem("ext4", "/data", frozenset({"rw", option})).unsynced_by is None


def test_nothing_is_said_of_a_path_that_is_not_there(tmp_path: Path):
    assert file_system_of(tmp_path / "missing") is None
    assert weaknesses(tmp_path / "missing", "the folder of objects", "object_store.path") == ()


def test_a_folder_is_made_with_those_above_it(tmp_path: Path):
    make_folder(tmp_path / "a" / "b", mode=0o700)
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file" / "folder")
