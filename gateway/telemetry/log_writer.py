"""Writes log lines from a thread of its own, so that a reader who stopped reading never stops the loop."""

import contextlib
import logging
import queue
import threading
import time
from typing import TextIO

QUEUED_LINES = 10_000
"""Lines that may wait; more are dropped and counted."""
LINES_AT_ONCE = 200
FLUSH_S = 2.0
"""How long an end of the process waits for its last lines."""


class LineWriter(logging.Handler):
    """Formats in the caller's thread, writes in its own."""

    def __init__(self, stream: TextIO, queued_lines: int = QUEUED_LINES) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(queued_lines)
        # The one is counted under the lock of handlers, the other by the thread that writes: so none is lost between.
        self._dropped = 0
        self._told = 0
        self._thread = threading.Thread(target=self._write_lines, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:  # noqa: BLE001 - logging must never raise; logging's own way to tell
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all lines are written, but not for ever."""
        deadline = time.monotonic() + FLUSH_S
        while self._lines.unfinished_tasks and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self) -> None:
        self.flush()
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        super().close()

    def _write_lines(self) -> None:
        while (line := self._lines.get()) is not None:
            lines = [line]
            while len(lines) < LINES_AT_ONCE and not self._lines.empty():
                if (more := self._lines.get_nowait()) is None:
                    self._write(lines)
                    return
                lines.append(more)
            self._write(lines)

    def _write(self, lines: list[str]) -> None:
        text = "\n".join(lines) + "\n"
        if untold := self._dropped - self._told:
            text += f'{{"level": "warning", "event": "{untold} log lines were dropped"}}\n'
            self._told += untold
        # A closed or broken stream: there is nowhere left to tell.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        for _ in lines:
            self._lines.task_done()
