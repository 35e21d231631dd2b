"""Helper processes: CPU-heavy or risky image functions run there, one at a time each, never on the loop.

A helper that dies (killed, crashed, over its memory bound) or takes too long harms the one call that it was
running, and is replaced. None runs before the first call, and each ends when it had no work for a while. Helpers
hold no state, no socket and no secret: they get two pipes of their own and an environment without the service's
settings, and they die with us.

This guards against crashes, hangs and floods of memory. It is not a sandbox: a helper runs as the same user,
and its answers are pickles that we load.

Our own and not `concurrent.futures` or pebble, for there all workers share one pipe and one lock: the first
breaks as a whole when one worker dies, the second stalls for all when a worker is killed while it holds the
lock (noxdafox/pebble#97, #163). Here each helper has its own pipes, and killing one touches no other.

A thread a helper moves the bytes: blocking reads and writes of pipes let the interpreter go, where 10 MB
through asyncio's streams cost the loop 30 ms of copying.
"""

import asyncio
import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from attrs import define, field, frozen, validators

from gateway import helper_process
from gateway.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

ONE_CORE_EACH = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy would take all cores for each helper, and its threads would wait for one another by turning in circles."""

STOP_S = 5.0  # a killed process is gone at once, unless the kernel holds it in an uninterruptible wait
INHERITED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class HelperDied(Unavailable):
    """Twice a helper ended in the middle of this call: it was killed, crashed or went over its memory bound."""

    default_code = "helper_died"


class HelperTimeout(Unavailable):
    """The call took longer than it may, and its helper was killed."""

    default_code = "helper_timeout"


def _default_count() -> int:
    return min(os.cpu_count() or 1, 4)


@frozen
class HelperSettings:
    """How many helpers may run, and what each may use."""

    count: int = field(factory=_default_count, validator=validators.ge(1))
    max_memory_bytes: int = field(default=1024**3, validator=validators.ge(128 * 1024**2))
    """Address space of one helper."""
    max_calls: int = field(default=500, validator=validators.ge(1))
    """A helper is replaced after so many calls: whatever an image library leaks stays small."""
    idle_s: float = field(default=30.0, validator=validators.ge(0))
    """A helper without work for so long ends: an idle service holds no memory for it."""


@define(eq=False)
class HelperProcesses:
    """At most `settings.count` helpers, started as calls need them.

    Of those without work, one that ran the same function before is taken: what it needs is loaded there. Of several,
    the one used last, so that those that are too many end.
    """

    settings: HelperSettings = field(factory=HelperSettings)
    _slots: asyncio.Semaphore = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _idle: dict["_Helper", asyncio.TimerHandle] = field(init=False, factory=dict)
    _busy: set["_Helper"] = field(init=False, factory=set)
    _is_closed: bool = field(init=False, default=False)

    @_slots.default
    def _a_slot_each(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.settings.count)

    @_threads.default
    def _a_thread_each(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.settings.count, thread_name_prefix="helper")

    async def run(self, function: Callable[..., T], *args: Any, timeout_s: float) -> T:
        """What `function(*args)` returns or raises; `timeout_s` counts from when a helper is free for it.

        `function` is one that can be imported by name; arguments, result and exceptions are pickled. It is called
        once more if its helper dies, which need not be its doing: a helper can be killed from outside. A cancelled
        call is killed. Raises HelperDied, HelperTimeout, and Unavailable once closed, or when no helper can be
        started.
        """
        try:
            return await self._run_once(function, args, timeout_s)
        except HelperDied as error:
            if self._is_closed:
                raise
            log.warning("helper died, once more", reason=str(error))
            return await self._run_once(function, args, timeout_s)

    async def _run_once(self, function: Callable[..., T], args: tuple[Any, ...], timeout_s: float) -> T:
        async with self._slots:
            if self._is_closed:
                raise Unavailable("The service is stopping.")
            helper = self._take_idle(function) or _Helper(self.settings)
            self._busy.add(helper)
            try:
                succeeded, outcome = await self._call(helper, function, args, timeout_s)
            finally:
                self._give_back(helper)
        if succeeded:
            result: T = outcome
            return result
        try:
            raise outcome
        finally:
            # Its traceback holds this frame: together they would keep the arguments, a whole image, until the
            # collector of garbage comes.
            del outcome

    async def close(self) -> None:
        """Kill all helpers and refuse new calls; what runs or waits ends with HelperDied or Unavailable."""
        self._is_closed = True
        helpers = [*self._idle, *self._busy]
        for timer in self._idle.values():
            timer.cancel()
        self._idle.clear()
        for helper in helpers:
            helper.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await asyncio.to_thread(self._wait_for_end_of, helpers)

    async def _call(
        self, helper: "_Helper", function: Callable[..., Any], args: tuple[Any, ...], timeout_s: float
    ) -> tuple[bool, Any]:
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, helper.call, function, args)
        except RuntimeError as error:  # no more threads
            raise Unavailable("A helper process could not be started.", detail=str(error)) from error
        work.add_done_callback(_take_note)
        try:
            done, _ = await asyncio.wait([work], timeout=timeout_s)
            if done:
                return work.result()
            raise HelperTimeout(f"It took longer than {timeout_s:g} seconds.")
        finally:
            if not work.done():  # late or cancelled: the thread ends as soon as its helper does
                helper.kill()
                await asyncio.wait([work], timeout=STOP_S)

    def _take_idle(self, function: Callable[..., Any]) -> "_Helper | None":
        while self._idle:
            last_first = list(reversed(self._idle))
            helper = next((each for each in last_first if each.has_run(function)), last_first[0])
            self._idle.pop(helper).cancel()
            if helper.is_reusable:  # it may have been killed meanwhile
                return helper
            helper.stop()
        return None

    def _give_back(self, helper: "_Helper") -> None:
        self._busy.discard(helper)
        if helper.is_reusable and not self._is_closed:
            loop = asyncio.get_running_loop()
            self._idle[helper] = loop.call_later(self.settings.idle_s, self._retire, helper)
        else:
            helper.kill()

    def _retire(self, helper: "_Helper") -> None:
        """It is reaped in a thread, whose end `close` waits for."""
        del self._idle[helper]
        helper.kill()
        asyncio.get_running_loop().run_in_executor(self._threads, helper.stop)

    def _wait_for_end_of(self, helpers: list["_Helper"]) -> None:
        self._threads.shutdown()
        for helper in helpers:
            helper.stop()


class _Helper:
    """One process and the two pipes to it. `kill` is for the loop, the rest for one thread at a time."""

    def __init__(self, settings: HelperSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._calls = 0
        self._functions: set[Callable[..., Any]] = set()
        self._is_calling = False
        self._is_killed = False

    @property
    def is_reusable(self) -> bool:
        """Alive and between two calls."""
        return self._process is not None and not self._is_calling and self._process.poll() is None

    def has_run(self, function: Callable[..., Any]) -> bool:
        """Whether what `function` needs is loaded in it."""
        return function in self._functions

    def call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
        """(succeeded, result or exception). When it raises, the helper is of no more use."""
        self._is_calling = True
        self._calls += 1
        process = self._process or self._start()
        try:
            succeeded, outcome = _exchange(process, (function, args))
        except BaseException as error:
            self.stop()
            if isinstance(error, (OSError, EOFError, pickle.UnpicklingError)):
                text = "A helper process ended in the middle of its work."
                raise HelperDied(text, detail=self._how_it_ended()) from error
            raise
        self._is_calling = False
        self._functions.add(function)
        if self._calls >= self._settings.max_calls:
            self.stop()
        return succeeded, outcome

    def kill(self) -> None:
        """At any time, from any thread; a helper that is just being started ends as soon as it has."""
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Kill and reap it; there is nothing in it to save."""
        self.kill()
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was not written is of no interest
                pipe.close()  # type: ignore[union-attr]  # both are PIPE

    def _start(self) -> subprocess.Popen[bytes]:
        arguments = [str(os.getpid()), str(self._settings.max_memory_bytes)]
        command = [sys.executable, "-m", helper_process.__name__, *arguments]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
            )
        except OSError as error:
            raise Unavailable("A helper process could not be started.", detail=str(error)) from error
        self._process = process
        if self._is_killed:
            process.kill()
        return process

    def _how_it_ended(self) -> str:
        status = self._process.returncode if self._process else None
        if status == helper_process.OUT_OF_MEMORY:
            return f"out of memory, bound {self._settings.max_memory_bytes} bytes"
        return f"exit status {status}"


def _take_note(work: asyncio.Future[Any]) -> None:
    """How a killed call ended is of no interest; asyncio would log it as forgotten."""
    if not work.cancelled():
        work.exception()


def _exchange(
    process: subprocess.Popen[bytes], call: tuple[Callable[..., Any], tuple[Any, ...]]
) -> tuple[bool, Any]:
    calls, answers = process.stdin, process.stdout
    assert calls is not None  # noqa: S101 - both are PIPE
    assert answers is not None  # noqa: S101
    pickle.dump(call, calls, protocol=pickle.HIGHEST_PROTOCOL)
    calls.flush()
    succeeded, outcome = pickle.load(answers)  # noqa: S301 - from our own child, see the module's docstring
    return succeeded, outcome


def _environment() -> dict[str, str]:
    """What an interpreter needs to find the same modules, and nothing that may be a secret."""
    kept = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    python = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    return ONE_CORE_EACH | kept | python | {"PYTHONPATH": os.pathsep.join(sys.path)}
