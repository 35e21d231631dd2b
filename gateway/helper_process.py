"""What runs in a helper process: loads a call from stdin, runs it, dumps the answer to stdout, until EOF.

Imports nothing but the standard library, so that a helper is there in a blink; what a call needs is imported
with its function, and stays imported. `processes.py` starts helpers and speaks the other half.

A call is the pickle of `(function, args)`, an answer that of `(succeeded, result or exception)`. Pickles end
themselves and need no frame; through a file, protocol 5 moves a large `bytes` without copying it.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import sys
import traceback
from typing import Any, BinaryIO

OUT_OF_MEMORY = 70  # the exit status that tells the parent why
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent_pid, max_memory_bytes = (int(argument) for argument in sys.argv[1:])
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # Ctrl-C and systemd tell the whole group; the parent decides
        signal.signal(number, signal.SIG_IGN)
    _die_with(parent_pid)
    _limit(max_memory_bytes)
    calls, answers = _take_over_stdio()
    try:
        while (call := _load(calls)) is not None:
            _run(*call, answers)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # no clean-up could be trusted now
    except BrokenPipeError:
        os._exit(0)  # the parent has gone


def _die_with(parent_pid: int) -> None:
    """EOF on stdin ends an idle helper; this also ends one that is busy when its parent is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(0)


def _limit(max_memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold somebody's photo
    with contextlib.suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))


def _take_over_stdio() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, out of reach of an image function that prints or reads; its prints go to stderr."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return calls, answers


def _load(calls: BinaryIO) -> tuple[Any, Any] | None:
    """The next (function, args), None at the end, also where that comes amidst a call: the parent was killed."""
    try:
        function, args = pickle.load(calls)  # noqa: S301 - from our parent, by a pipe nobody else holds
    except (EOFError, pickle.UnpicklingError):
        if calls.read(1):
            raise
        return None
    return function, args


def _run(function: Any, args: Any, answers: BinaryIO) -> None:
    try:
        pickle.dump((True, function(*args)), answers, protocol=pickle.HIGHEST_PROTOCOL)
    except (MemoryError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - the caller gets it, whatever it is
        error.add_note("In the helper process:\n" + traceback.format_exc())
        answers.write(_failure(error))
    answers.flush()


def _failure(error: Exception) -> bytes:
    """`error` itself when it survives the trip, else a RuntimeError with its words."""
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)  # noqa: S301 - what we have just made; some exceptions pickle and don't unpickle
    except Exception:  # noqa: BLE001 - reduce methods may raise anything
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return answer


if __name__ == "__main__":
    main()
