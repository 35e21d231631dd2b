"""Whether an endpoint is down, by what became of the images before.

No breaker with states and timers: one that refuses without asking would turn an outage of seconds into a batch of
failed images. An endpoint that is down costs each further image one request, and the first one that it answers ends
that.
"""

from typing import Final

import structlog
from attrs import define

log = structlog.get_logger(__name__)

DOWN_AFTER: Final = 3
"""Images in a row that were lost to it."""


@define(eq=False)
class Health:
    """Of the endpoint at `host`."""

    _host: str
    _lost_in_a_row: int = 0

    @property
    def is_down(self) -> bool:
        return self._lost_in_a_row >= DOWN_AFTER

    def lost_an_image(self, reason: str) -> None:
        self._lost_in_a_row += 1
        if self._lost_in_a_row == DOWN_AFTER:
            log.warning("vision endpoint is down", host=self._host, reason=reason)

    def answered(self) -> None:
        """Whatever it said."""
        if self.is_down:
            log.info("vision endpoint is back", host=self._host)
        self._lost_in_a_row = 0
