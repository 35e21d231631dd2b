"""What a running process asks of the kernel, in order: by strace, from outside.

    async with traced(gateway.process.pid, tmp_path) as trace:
        ...
    synced = trace.first("fdatasync", of="jobs.sqlite-wal", after=written)

strace is told to print all bytes in hex; here they are characters again, one for each byte (latin-1).
"""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import define, frozen

from tests.patience import PATIENCE_S

READS: Final = ("read", "readv", "recvfrom", "recvmsg")
WRITES: Final = ("write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg")
SYNCS: Final = ("fsync", "fdatasync")
RENAMES: Final = ("rename", "renameat", "renameat2")
MAKES: Final = ("mkdir", "mkdirat")

_BYTES_SHOWN: Final = 1 << 20
_LINE = re.compile(r"(\d+)\s+(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_UNFINISHED: Final = " <unfinished ...>"
_OF = re.compile(r"\d+<((?:[^<>]|->)*)>")
_BYTE = re.compile(r"\\x([0-9a-f]{2})")


@frozen
class Call:
    """One call: what it was of (a path, or `TCP:[...]`), all that was said with it, and when it began and returned.

    Times are places in the order of all that happened.
    """

    name: str
    of: str
    text: str
    begun: int
    returned: int

    def __str__(self) -> str:
        return f"{self.name} of {self.of} ({self.begun} to {self.returned})"


@define(eq=False)
class Trace:
    """What was written down so far; whole once its context has ended."""

    _output: Path
    calls: Sequence[Call] = ()

    def read(self) -> None:
        self.calls = calls_in(self._output.read_text())

    async def until(self, *names: str, of: str = "", says: str = "") -> None:
        """Such a call has been seen."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.read()
                with suppress(AssertionError):
                    self.first(*names, of=of, says=says)
                    return
                await asyncio.sleep(0.1)

    def first(self, *names: str, of: str = "", says: str = "", after: Call | None = None) -> Call:
        """The first such call that succeeded and began when `after` had returned."""
        for call in self.calls:
            is_late_enough = after is None or call.begun > after.returned
            if call.name in names and is_late_enough and re.search(of, call.of) and says in call.text:
                return call
        raise AssertionError(f"no {' or '.join(names)} of {of!r} saying {says!r}, after {after}")


@asynccontextmanager
async def traced(pid: int, folder: Path) -> AsyncIterator[Trace]:
    """All that the process and its threads do from now on; the trace is read when the context ends."""
    output = folder / "strace"
    command = (*_strace(output, *READS, *WRITES, *SYNCS, *RENAMES), f"--attach={pid}")
    strace = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        assert strace.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b" attached" not in (line := await strace.stderr.readline()):
                assert line, "strace ended"
        trace = Trace(output)
        yield trace
    finally:
        if strace.returncode is None:
            strace.send_signal(signal.SIGTERM)
        await strace.communicate()
    trace.read()


def strace_from_the_start(output: Path, *names: str) -> Sequence[str]:
    """A command line that runs the rest of it, as itself, and writes down such calls for `Trace(output)`."""
    return (*_strace(output, *names), "--daemonize")


def _strace(output: Path, *names: str) -> Sequence[str]:
    return (
        "strace", "--follow-forks", "--decode-fds=all", "--strings-in-hex=all", f"--string-limit={_BYTES_SHOWN}",
        f"--trace={','.join(names)}", f"--output={output}",
    )  # fmt: skip


def calls_in(output: str) -> list[Call]:
    """Those that returned without an error, in the order of their return."""
    begun: dict[str, tuple[int, str]] = {}
    calls = []
    for place, line in enumerate(output.splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        thread, resumed, name, text = match.groups()
        if resumed is not None:
            began_at, beginning = begun.pop(thread, (place, ""))
            name, text = resumed, beginning + text
        else:
            began_at = place
        if text.endswith(_UNFINISHED):
            begun[thread] = began_at, text.removesuffix(_UNFINISHED)
        elif not re.search(r"\) += (?:-|\?)", text):
            calls.append(Call(name, _characters(_of(text)), _characters(text), began_at, place))
    return calls


def _of(text: str) -> str:
    match = _OF.match(text)
    return match[1] if match else ""


def _characters(text: str) -> str:
    return _BYTE.sub(lambda match: chr(int(match[1], 16)), text)
