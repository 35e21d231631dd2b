"""How long to stay away before another try, so that many clients never come all at once.

The pause is drawn from all of the time up to a ceiling that doubles with each failure ("full jitter"): whoever failed
at the same moment comes back at another one.
"""

import random
from collections.abc import Callable
from typing import Final

from attrs import define, field

from gateway.client.close_codes import ComeBack

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
SPREAD_S: Final = 5.0
"""Over so long a time all clients of a gateway that starts anew come back."""
LATER_S: Final = 5.0
"""How long a gateway with too much to do is left alone where it names no time itself."""
LONGER: Final = 1.5
"""Up to so many times the time that a gateway names: never less, and not all at its end."""


@define
class Pauses:
    """Those of one caller. `draw` gives a number between two."""

    spread_s: float = SPREAD_S
    draw: Callable[[float, float], float] = random.uniform
    _ceiling_s: float = field(init=False, default=FIRST_PAUSE_S)

    def begin_anew(self) -> None:
        """It goes on."""
        self._ceiling_s = FIRST_PAUSE_S

    def another(self) -> "Pauses":
        """Of the same kind, for something that fails by itself."""
        return Pauses(self.spread_s, self.draw)

    def after_failure(self) -> float:
        ceiling_s, self._ceiling_s = self._ceiling_s, min(2 * self._ceiling_s, LONGEST_PAUSE_S)
        return self.draw(0.0, ceiling_s)

    def after_request(self, retry_after_s: float) -> float:
        """The gateway has asked for so long a pause (Retry-After): at least that."""
        return retry_after_s * self.draw(1.0, LONGER) + self.after_failure()

    def after_close(self, come_back: ComeBack) -> float:
        """Not for NEVER."""
        if come_back is ComeBack.SPREAD:
            return self.draw(0.0, self.spread_s) + self.after_failure()
        if come_back is ComeBack.LATER:
            return self.after_request(LATER_S)
        return self.after_failure()
