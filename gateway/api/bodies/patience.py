"""Deadlines on the many short waits of one body, by a single timer: `asyncio.timeout` sets one for each of them.

When it goes off, it looks when the wait of the moment must end, and is set to that. Nobody has to stop it: where nobody
waits, it is not set again.
"""

import asyncio
from types import TracebackType

from attrs import define, field


@define(eq=False)
class Patience:
    """A context to wait in, over and over, by one task at a time. Raises TimeoutError where the wait lasts too long.

    A cancellation that is meant for the task comes through, as with `asyncio.timeout`.
    """

    deadline: float = field(init=False, default=0.0)
    """The end of the next wait, by the clock of the loop; never before that of an earlier one."""
    cancelled_before: int = field(init=False, default=0)
    """How often the task was asked to end before it began its last wait."""
    _loop: asyncio.AbstractEventLoop = field(init=False, factory=asyncio.get_running_loop)
    _task: "asyncio.Task[object] | None" = field(init=False, default=None)
    """That waits."""
    _is_over: bool = field(init=False, default=False)
    _has_timer: bool = field(init=False, default=False)

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - who waits is a task
        self._task, self.cancelled_before, self._is_over = task, task.cancelling(), False
        if not self._has_timer:
            self._set_timer()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is None or not self._is_over:
            return
        if task.uncancel() <= self.cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _set_timer(self) -> None:
        self._has_timer = True
        self._loop.call_at(self.deadline, self._look)

    def _look(self) -> None:
        self._has_timer = False
        if self._task is None:
            return
        if self._loop.time() < self.deadline:
            self._set_timer()
        else:
            self._is_over = True
            self._task.cancel()
