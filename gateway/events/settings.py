"""Settings of those who follow jobs."""

from typing import Final

from attrs import field, frozen, validators

SHORTEST_HEARTBEAT_S: Final = 0.1
"""Below it the signs of life alone would keep the loop busy."""
LONGEST_HEARTBEAT_S: Final = 20.0
"""Two of them without an answer, the next one's turn and a goodbye: a dead connection ends within 60 seconds."""


@frozen(kw_only=True)
class SubscriberSettings:
    """How many may follow jobs at once, over whatever door, and how often each hears that the gateway is there.

    A connection that follows all jobs, or several, counts as one.
    """

    heartbeat_s: float = field(
        default=LONGEST_HEARTBEAT_S,
        validator=[validators.ge(SHORTEST_HEARTBEAT_S), validators.le(LONGEST_HEARTBEAT_S)],
    )
    """At most so many seconds lie between signs of life."""
    max_connections: int = field(default=6000, validator=validators.ge(1))
    """In all; at most three quarters of `http.max_connections`, for the others are for requests."""
    max_per_job: int = field(default=5000, validator=validators.ge(1))
    """Of one job."""
    max_per_address: int = field(default=1000, validator=validators.ge(1))
    """From one address; behind a proxy all have that of the proxy. Over a Unix socket there is none to count."""
    max_jobs: int = field(default=1000, validator=validators.ge(1))
    """That one connection may follow."""
