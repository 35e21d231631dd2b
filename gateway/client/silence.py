"""How long a connection may be silent before it counts as dead, though nothing says so.

A gateway that names the pace of its heartbeats (`heartbeat_s`) is heard within two and a half of them.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define

MISSED_HEARTBEATS: Final = 2.5


@define
class Silence:
    """Of one connection. Without a bound it may last for as long as nothing happens, as with an older gateway."""

    bound_s: float | None = None

    def expect_heartbeats(self, frame: Mapping[str, Any]) -> None:
        """As a frame tells; one that does not tell leaves all as it is."""
        heartbeat_s = frame.get("heartbeat_s")
        if isinstance(heartbeat_s, int | float) and heartbeat_s > 0:
            self.bound_s = MISSED_HEARTBEATS * heartbeat_s
