"""How long nothing ended although something could have."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define


@define
class Stalls:
    """The longest time in which work was open, all parts were up, and no image ended."""

    longest_s: float = 0
    open_images: int = 0
    """Accepted, and not known to have ended."""
    _parts_down: int = 0
    _since: float | None = None
    """From when on an image could have ended; None while none can."""
    _now: Callable[[], float] = time.monotonic

    def accepted(self, images: int) -> None:
        self.open_images += images
        if self._since is None:
            self._begin()

    def ended(self, images: int = 1) -> None:
        self._end()
        self.open_images -= images
        self._begin()

    @contextmanager
    def broken(self) -> Iterator[None]:
        """While a part is down, or on its way up, the time does not count. May be nested."""
        self._end()
        self._parts_down += 1
        try:
            yield
        finally:
            self._parts_down -= 1
            self._begin()

    def up_to_now(self) -> float:
        """The longest one, that which still lasts included."""
        self._end()
        self._begin()
        return self.longest_s

    def _begin(self) -> None:
        if self.open_images > 0 and not self._parts_down:
            self._since = self._now()

    def _end(self) -> None:
        if self._since is not None:
            self.longest_s = max(self.longest_s, self._now() - self._since)
            self._since = None
