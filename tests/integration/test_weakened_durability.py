"""What weakens "201 means accepted for good" is told at the start: in the log once, and in readyz's warnings."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.gateway import Gateway, running_gateway


@contextmanager
def mounted(folder: Path, *how: str) -> Iterator[Path]:
    """With that mounted on it; mounting needs root, as CI has it."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", *how, "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "memory", "-t", "tmpfs", "-o", "size=16m,mode=0700") as folder:
        yield folder


@pytest.fixture
def unsynced(tmp_path: Path) -> Iterator[Path]:
    """An overlay that leaves out every sync, as container engines mount it when asked for speed."""
    with ExitStack() as stack:
        parts = {name: tmp_path / name for name in ("lowerdir", "upperdir", "workdir")}
        for part in parts.values():
            part.mkdir()
        options = ",".join(f"{name}={path}" for name, path in parts.items())
        yield stack.enter_context(
            mounted(tmp_path / "unsynced", "-t", "overlay", "-o", f"{options},volatile")
        )


@pytest.fixture
def a_library_that_is_called_so(tmp_path: Path) -> Path:
    """It does nothing; that it is in the process is what is looked for."""
    (real,) = {
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libc.so" in line
    }
    return Path(shutil.copy(Path(real).with_name("libm.so.6"), tmp_path / "libeatmydata.so"))


async def warnings_of(gateway: Gateway) -> Sequence[str]:
    async with aiohttp.ClientSession() as http, http.get(gateway.url("/readyz")) as answer:
        report: dict[str, Any] = await answer.json()
        assert (answer.status, report["status"]) == (200, "ready")
        told: Sequence[str] = report["warnings"]
        return told


def logged(gateway: Gateway) -> Sequence[str]:
    event = "accepted work is less safe than promised"
    return [line["reason"] for line in gateway.log() if line["event"] == event]


async def test_on_a_disk_nothing_is_said(tmp_path: Path):
    async with running_gateway(tmp_path / "data") as gateway:
        assert await warnings_of(gateway) == []
        assert logged(gateway) == []


async def test_memory_below_the_data_is_told_of_jobs_and_of_objects(memory: Path):
    async with running_gateway(memory / "data") as gateway:
        jobs, objects = await warnings_of(gateway)
    why = f"lies on tmpfs at {memory}, which is memory: what was accepted is gone when the machine goes down"
    assert jobs == f"the job store's file {why}. Move it to a disk (job_store.path, data_dir)."
    assert objects == f"the folder of objects {why}. Move it to a disk (object_store.path, data_dir)."


async def test_each_place_is_told_by_itself(tmp_path: Path, memory: Path):
    async with running_gateway(tmp_path / "data", object_store_path=memory / "objects") as gateway:
        (told,) = await warnings_of(gateway)
    assert told.startswith("the folder of objects lies on tmpfs")


async def test_a_link_leads_to_where_the_file_really_lies(tmp_path: Path, memory: Path):
    (tmp_path / "link").symlink_to(memory)
    async with running_gateway(
        tmp_path / "data", job_store_path=tmp_path / "link" / "jobs.sqlite"
    ) as gateway:
        (told,) = await warnings_of(gateway)
    assert told.startswith(f"the job store's file lies on tmpfs at {memory}")


async def test_a_mount_that_leaves_out_syncs_is_told(tmp_path: Path, unsynced: Path):
    async with running_gateway(tmp_path / "data", object_store_path=unsynced / "objects") as gateway:
        (told,) = await warnings_of(gateway)
    assert told.startswith(f"the folder of objects lies on overlay at {unsynced}, mounted with ")
    assert "volatile: a power cut may take what was accepted" in told


async def test_commits_that_a_power_cut_may_take_are_told(tmp_path: Path):
    async with running_gateway(tmp_path / "data", job_store_synchronous="normal") as gateway:
        (told,) = await warnings_of(gateway)
    assert told == (
        "the job store's synchronous is NORMAL: a power cut takes the last commits, so that a 201 outlives a crash of "
        "the process alone. Set job_store.synchronous to full."
    )


async def test_a_library_that_leaves_out_syncs_is_told(tmp_path: Path, a_library_that_is_called_so: Path):
    preloaded = {"LD_PRELOAD": str(a_library_that_is_called_so)}
    async with running_gateway(tmp_path / "data", environment=preloaded) as gateway:
        (told,) = await warnings_of(gateway)
    assert told.startswith("libeatmydata is loaded in this process and leaves out every sync")


async def test_the_log_tells_the_same_once_however_often_readyz_is_asked(memory: Path):
    async with running_gateway(memory / "data", job_store_synchronous="normal") as gateway:
        told = [await warnings_of(gateway) for _ in range(3)]
        assert logged(gateway) == told[0] == told[1] == told[2]
        assert len(told[0]) == 3
