"""How long something has really been at work, as somebody who looks at it now and then can tell.

A deadline that runs by the wall clock fires for all that waited while nothing worked: workers that were away, a broker
that was down, a machine that slept. So only the time between two looks that both found it at work counts, and one
step between looks counts for so long at most, whatever the clock says.
"""

from collections import deque
from datetime import datetime, timedelta

from attrs import define, field


@define
class _Interval:
    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@define
class WorkingTime:
    """Counts from the first look on. Holds as many intervals as cover `kept_s` of work, in order and disjoint."""

    longest_step_s: float
    kept_s: float
    _intervals: deque[_Interval] = field(init=False, factory=deque)
    _total: timedelta = field(init=False, default=timedelta(0))
    _last_look: datetime | None = field(init=False, default=None)
    _was_working: bool = field(init=False, default=False)

    def advance(self, now: datetime, is_working: bool) -> None:
        """Somebody looked."""
        before = self._last_look
        if before is not None and now < before:
            self._forget_after(now)
        elif before is not None and is_working and self._was_working:
            self._add(before, min(now, before + timedelta(seconds=self.longest_step_s)))
        self._last_look, self._was_working = now, is_working

    def moment_before(self, seconds: float) -> datetime | None:
        """The latest moment with so many seconds of work between it and the last look, at most `kept_s`.

        None while there was not that much since the first look. A clock that was set back takes with it what it
        makes uncertain: then so much less is remembered.
        """
        left = timedelta(seconds=seconds)
        for interval in reversed(self._intervals):
            if left <= interval.length:
                return interval.end - left
            left -= interval.length
        return None

    def _add(self, start: datetime, end: datetime) -> None:
        if end <= start:
            return
        if self._intervals and self._intervals[-1].end == start:
            self._intervals[-1].end = end
        else:
            self._intervals.append(_Interval(start, end))
        self._total += end - start
        while self._total - self._intervals[0].length >= timedelta(seconds=self.kept_s):
            self._total -= self._intervals.popleft().length

    def _forget_after(self, now: datetime) -> None:
        """The clock was set back: moments that come a second time must not count twice."""
        while self._intervals and self._intervals[-1].end > now:
            last = self._intervals.pop()
            self._total -= last.length
            self._add(last.start, min(last.end, now))
