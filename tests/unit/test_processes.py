"""Helper processes, with real deaths: every kill, hang and flood below happens to a real process."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.errors import ContentError, RangeRefused, Unavailable
from gateway.processes import STOP_S, HelperDied, HelperProcesses, HelperSettings, HelperTimeout
from tests.garbage import collector_at_rest

PLENTY_S = 30.0


@pytest.fixture
async def helpers() -> AsyncIterator[HelperProcesses]:
    pool = HelperProcesses(HelperSettings(count=2))
    yield pool
    await pool.close()


@pytest.fixture
async def one_helper() -> AsyncIterator[HelperProcesses]:
    pool = HelperProcesses(HelperSettings(count=1, max_memory_bytes=256 * 1024**2))
    yield pool
    await pool.close()


# What runs in the helpers.


def echo(value: object) -> object:
    return value


def kill_yourself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_the_first_time(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        kill_yourself()
    return "well"


def allocate(size: int) -> int:
    return len(bytearray(size))


def refuse(text: str) -> None:
    raise ContentError(text, code="damaged", detail="for the log")


def raise_what_does_not_survive_a_pickle() -> None:
    raise RangeRefused("no such bytes", size=3)


def return_what_cannot_be_pickled() -> Callable[[], None]:
    return lambda: None


def print_and_read() -> str:
    print("noise", flush=True)
    return sys.stdin.read()


def open_files() -> list[str]:
    links = list(Path("/proc/self/fd").iterdir())  # one of them is the listing itself, gone by now
    return [str(link.readlink()) for link in links if link.is_symlink()]


def threads_after_a_multiplication() -> int:
    import numpy as np

    square = np.ones((512, 512), np.float32)
    np.matmul(square, square)
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def environment() -> dict[str, str]:
    return dict(os.environ)


def meet(here: Path, there: Path) -> int:
    """Until the other one is at work in another helper."""
    here.touch()
    while not there.exists():
        time.sleep(0.005)
    return os.getpid()


def meet_too(here: Path, there: Path) -> int:
    return meet(here, there)


def work_for(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


def say_pid_and_sleep(path: Path) -> None:
    path.with_suffix(".part").write_text(str(os.getpid()))
    path.with_suffix(".part").rename(path)
    time.sleep(60)


# What the tests see from outside.


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it is read
        return False
    return state != "Z"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PLENTY_S):
        while not condition():
            await asyncio.sleep(0.005)


async def pid_in(path: Path) -> int:
    await until(path.exists)
    return int(path.read_text())


def children() -> set[str]:
    """Of all threads: a child is listed with the one that started it."""
    found: set[str] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.update((thread / "children").read_text().split())
    return found


async def test_a_call_returns_what_its_function_returns(helpers: HelperProcesses) -> None:
    assert await helpers.run(divmod, 17, 5, timeout_s=PLENTY_S) == (3, 2)


async def test_ten_megabytes_come_back_unharmed(helpers: HelperProcesses) -> None:
    image = os.urandom(10 * 1024 * 1024)
    assert await helpers.run(echo, image, timeout_s=PLENTY_S) == image


async def test_nothing_runs_before_the_first_call() -> None:
    before = children()
    pool = HelperProcesses(HelperSettings())
    assert children() == before
    await pool.close()


async def test_a_helper_is_used_again(one_helper: HelperProcesses) -> None:
    pids = {await one_helper.run(os.getpid, timeout_s=PLENTY_S) for _ in range(3)}
    assert len(pids) == 1


async def test_a_helper_that_ran_the_same_function_before_is_preferred(
    helpers: HelperProcesses, tmp_path: Path
) -> None:
    """It holds what that function loads, a classifier say; the other one need not load it as well."""
    a, b = tmp_path / "a", tmp_path / "b"
    first, second = await asyncio.gather(
        helpers.run(meet, a, b, timeout_s=PLENTY_S), helpers.run(meet_too, b, a, timeout_s=PLENTY_S)
    )
    again = [await helpers.run(function, a, b, timeout_s=PLENTY_S) for function in (meet, meet_too, meet)]
    assert again == [first, second, first]


async def test_a_helper_without_work_is_used_for_another_function_before_one_is_started(
    helpers: HelperProcesses, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    pids = [await helpers.run(function, here, here, timeout_s=PLENTY_S) for function in (meet, meet_too)]
    assert pids[0] == pids[1]


async def test_no_more_helpers_run_than_the_settings_say(helpers: HelperProcesses) -> None:
    pids = await asyncio.gather(*(helpers.run(os.getpid, timeout_s=PLENTY_S) for _ in range(20)))
    assert len(set(pids)) <= 2


async def test_a_helper_is_replaced_after_its_last_call() -> None:
    pool = HelperProcesses(HelperSettings(count=1, max_calls=2))
    pids = [await pool.run(os.getpid, timeout_s=PLENTY_S) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert not is_running(pids[0])
    await pool.close()


async def test_a_helper_without_work_ends() -> None:
    pool = HelperProcesses(HelperSettings(count=2, idle_s=0.1))
    before = children()
    await asyncio.gather(*(pool.run(time.sleep, 0.1, timeout_s=PLENTY_S) for _ in range(2)))
    await until(lambda: children() == before)
    await pool.close()


async def test_a_helper_that_ended_for_want_of_work_is_replaced() -> None:
    pool = HelperProcesses(HelperSettings(count=1, idle_s=0.05))
    pid = await pool.run(os.getpid, timeout_s=PLENTY_S)
    await until(lambda: not is_running(pid))
    assert await pool.run(os.getpid, timeout_s=PLENTY_S) != pid
    await pool.close()


async def test_a_helper_that_works_now_and_then_stays() -> None:
    pool = HelperProcesses(HelperSettings(count=1, idle_s=2.5))
    pids = set()
    for _ in range(8):
        pids.add(await pool.run(os.getpid, timeout_s=PLENTY_S))
        await asyncio.sleep(0.5)
    assert len(pids) == 1
    await pool.close()


async def test_only_the_helpers_that_are_too_many_end_under_little_work() -> None:
    pool = HelperProcesses(HelperSettings(count=3, idle_s=2.5))
    before = len(children())
    await asyncio.gather(*(pool.run(time.sleep, 0.3, timeout_s=PLENTY_S) for _ in range(3)))
    pids = set()

    async def one_is_left() -> None:
        while len(children()) > before + 1:
            pids.add(await pool.run(os.getpid, timeout_s=PLENTY_S))
            await asyncio.sleep(0.02)

    await asyncio.wait_for(one_is_left(), PLENTY_S)
    assert len(pids) == 1
    await pool.close()


async def test_a_call_longer_than_the_idle_time_is_not_cut() -> None:
    pool = HelperProcesses(HelperSettings(count=1, idle_s=0.05))
    for _ in range(2):
        assert await pool.run(work_for, 0.3, timeout_s=PLENTY_S) == "done"
    await pool.close()


async def test_calls_at_the_very_end_of_the_idle_time_are_never_lost() -> None:
    pool = HelperProcesses(HelperSettings(count=2, idle_s=0.02))
    for turn in range(12):
        assert await pool.run(echo, turn, timeout_s=PLENTY_S) == turn
        await asyncio.sleep(0.017 + 0.0005 * turn)
    await pool.close()


async def test_closing_while_helpers_end_leaves_none_behind() -> None:
    before = children()
    pool = HelperProcesses(HelperSettings(count=2, idle_s=0))
    await asyncio.gather(*(pool.run(echo, 1, timeout_s=PLENTY_S) for _ in range(2)))
    await pool.close()
    assert children() == before


async def test_an_exception_comes_back_as_it_is(helpers: HelperProcesses) -> None:
    with pytest.raises(ContentError) as caught:
        await helpers.run(refuse, "unreadable", timeout_s=PLENTY_S)
    assert (caught.value.text, caught.value.code, caught.value.detail) == (
        "unreadable",
        "damaged",
        "for the log",
    )


async def test_a_call_that_failed_is_gone_without_the_collector_of_garbage(helpers: HelperProcesses) -> None:
    """With it its arguments, which may be a large image, would wait for a collection."""
    with collector_at_rest():
        try:
            await helpers.run(refuse, "broken", timeout_s=PLENTY_S)
        except ContentError as error:
            failure = weakref.ref(error)
        async with asyncio.timeout(PLENTY_S):
            while failure() is not None:  # a moment longer, the helper's thread has it in hand
                await asyncio.sleep(0.01)


async def test_an_exception_brings_the_helpers_traceback_along_as_a_note(helpers: HelperProcesses) -> None:
    with pytest.raises(ContentError) as caught:
        await helpers.run(refuse, "unreadable", timeout_s=PLENTY_S)
    assert "in refuse" in caught.value.__notes__[0]


async def test_an_exception_that_does_not_survive_the_trip_comes_back_in_words(
    one_helper: HelperProcesses,
) -> None:
    with pytest.raises(RuntimeError, match="RangeRefused: no such bytes"):
        await one_helper.run(raise_what_does_not_survive_a_pickle, timeout_s=PLENTY_S)
    assert await one_helper.run(echo, "well", timeout_s=PLENTY_S) == "well"


async def test_a_result_that_cannot_be_pickled_is_an_error_of_that_call(one_helper: HelperProcesses) -> None:
    with pytest.raises((AttributeError, RuntimeError), match="pickle"):
        await one_helper.run(return_what_cannot_be_pickled, timeout_s=PLENTY_S)
    assert await one_helper.run(echo, "well", timeout_s=PLENTY_S) == "well"


async def test_an_argument_that_cannot_be_pickled_is_an_error_of_that_call(
    one_helper: HelperProcesses,
) -> None:
    with pytest.raises(Exception, match="pickle"):
        await one_helper.run(echo, lambda: None, timeout_s=PLENTY_S)
    assert await one_helper.run(echo, "well", timeout_s=PLENTY_S) == "well"


async def test_a_helper_that_is_killed_fails_that_call_and_is_replaced(one_helper: HelperProcesses) -> None:
    with pytest.raises(HelperDied) as caught:
        await one_helper.run(kill_yourself, timeout_s=PLENTY_S)
    assert caught.value.detail == f"exit status {-signal.SIGKILL}"
    assert await one_helper.run(echo, "well", timeout_s=PLENTY_S) == "well"


async def test_a_call_whose_helper_is_killed_from_outside_is_made_once_more(
    one_helper: HelperProcesses, tmp_path: Path
) -> None:
    assert await one_helper.run(die_the_first_time, tmp_path / "was-here", timeout_s=PLENTY_S) == "well"


async def test_a_death_harms_no_other_call(helpers: HelperProcesses, tmp_path: Path) -> None:
    long_call = asyncio.create_task(helpers.run(say_pid_and_sleep, tmp_path / "pid", timeout_s=PLENTY_S))
    sleeper = await pid_in(tmp_path / "pid")
    for _ in range(3):
        with pytest.raises(HelperDied):
            await helpers.run(kill_yourself, timeout_s=PLENTY_S)
    assert is_running(sleeper)
    long_call.cancel()


async def test_a_helper_killed_between_two_calls_is_replaced_unnoticed(one_helper: HelperProcesses) -> None:
    pid = await one_helper.run(os.getpid, timeout_s=PLENTY_S)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not is_running(pid))
    assert await one_helper.run(os.getpid, timeout_s=PLENTY_S) != pid


async def test_a_helper_over_its_memory_bound_fails_that_call_alone(one_helper: HelperProcesses) -> None:
    with pytest.raises(HelperDied) as caught:
        await one_helper.run(allocate, 300 * 1024**2, timeout_s=PLENTY_S)
    assert "out of memory" in caught.value.detail
    assert await one_helper.run(allocate, 100 * 1024**2, timeout_s=PLENTY_S) == 100 * 1024**2


async def test_a_call_that_takes_too_long_is_killed(one_helper: HelperProcesses, tmp_path: Path) -> None:
    await one_helper.run(echo, "warm", timeout_s=PLENTY_S)
    with pytest.raises(HelperTimeout):
        await one_helper.run(say_pid_and_sleep, tmp_path / "pid", timeout_s=2.0)
    assert not is_running(await pid_in(tmp_path / "pid"))
    assert await one_helper.run(echo, "well", timeout_s=PLENTY_S) == "well"


async def test_a_cancelled_call_is_killed_and_frees_its_place(
    one_helper: HelperProcesses, tmp_path: Path
) -> None:
    call = asyncio.create_task(one_helper.run(say_pid_and_sleep, tmp_path / "pid", timeout_s=PLENTY_S))
    pid = await pid_in(tmp_path / "pid")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not is_running(pid)
    assert await one_helper.run(echo, "well", timeout_s=PLENTY_S) == "well"


async def test_a_call_cancelled_while_its_helper_starts_leaves_none_behind(
    one_helper: HelperProcesses,
) -> None:
    before = children()
    for turns in range(20):
        call = asyncio.create_task(one_helper.run(time.sleep, 60, timeout_s=PLENTY_S))
        await asyncio.sleep(0.001 * turns)
        call.cancel()
        async with asyncio.timeout(STOP_S / 2):
            await asyncio.wait([call])
        assert call.cancelled()
    await until(lambda: children() == before)


async def test_the_loop_turns_while_a_helper_works(one_helper: HelperProcesses, tmp_path: Path) -> None:
    here, there = tmp_path / "helper", tmp_path / "loop"
    call = asyncio.create_task(one_helper.run(meet, here, there, timeout_s=PLENTY_S))
    await until(here.exists)
    assert not call.done()
    there.touch()
    await call


async def test_closing_ends_the_helpers_and_what_they_do(tmp_path: Path) -> None:
    pool = HelperProcesses(HelperSettings(count=1))
    running = asyncio.create_task(pool.run(say_pid_and_sleep, tmp_path / "pid", timeout_s=PLENTY_S))
    waiting = asyncio.create_task(pool.run(echo, "late", timeout_s=PLENTY_S))
    pid = await pid_in(tmp_path / "pid")
    await pool.close()
    assert not is_running(pid)
    with pytest.raises(HelperDied):
        await running
    with pytest.raises(Unavailable):
        await waiting


async def test_a_closed_pool_refuses_calls_and_closes_again() -> None:
    pool = HelperProcesses(HelperSettings(count=1))
    await pool.run(echo, 1, timeout_s=PLENTY_S)
    await pool.close()
    await pool.close()
    with pytest.raises(Unavailable):
        await pool.run(echo, 1, timeout_s=PLENTY_S)


async def test_prints_of_a_function_do_not_reach_the_pipes(one_helper: HelperProcesses) -> None:
    assert await one_helper.run(print_and_read, timeout_s=PLENTY_S) == ""
    assert await one_helper.run(echo, "well", timeout_s=PLENTY_S) == "well"


async def test_a_helper_holds_no_file_of_ours(one_helper: HelperProcesses, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        names = await one_helper.run(open_files, timeout_s=PLENTY_S)
    assert str(tmp_path / "secret") not in names
    assert sum(name.startswith(("pipe:", "socket:")) for name in names) <= 4  # two of its own, two for stderr


async def test_a_helper_knows_no_setting_of_the_service(
    one_helper: HelperProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIO_SECRET_KEY", "hidden")
    assert "MINIO_SECRET_KEY" not in await one_helper.run(environment, timeout_s=PLENTY_S)


async def test_a_helper_calculates_on_one_core(one_helper: HelperProcesses) -> None:
    """Threads of numpy in several helpers would wait for one another by turning in circles."""
    assert await one_helper.run(threads_after_a_multiplication, timeout_s=PLENTY_S) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "a stop by systemd"])
async def test_a_helper_ignores_what_the_whole_group_is_told(
    one_helper: HelperProcesses, number: signal.Signals
) -> None:
    pid = await one_helper.run(os.getpid, timeout_s=PLENTY_S)
    os.kill(pid, number)
    assert await one_helper.run(os.getpid, timeout_s=PLENTY_S) == pid


def no_more_threads(_: object) -> None:
    raise RuntimeError("can't start new thread")


async def test_without_a_thread_for_a_helper_the_call_may_be_made_again_later(
    one_helper: HelperProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as limits:
        limits.setattr(threading.Thread, "start", no_more_threads)
        with pytest.raises(Unavailable) as refusal:
            await one_helper.run(os.getpid, timeout_s=PLENTY_S)
    assert not isinstance(refusal.value, HelperDied)
    assert await one_helper.run(echo, 1, timeout_s=PLENTY_S) == 1


PARENT = """
import asyncio, pathlib, sys
sys.path.insert(0, sys.argv[2])
from gateway.processes import HelperProcesses, HelperSettings
from test_processes import say_pid_and_sleep
asyncio.run(HelperProcesses(HelperSettings(count=1)).run(say_pid_and_sleep, pathlib.Path(sys.argv[1]), timeout_s=60))
"""


async def test_a_busy_helper_dies_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "pid"), str(Path(__file__).parent)]
    with subprocess.Popen(command) as parent:
        pid = await pid_in(tmp_path / "pid")
        parent.kill()
    await until(lambda: not is_running(pid))
