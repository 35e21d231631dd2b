"""What an operator can say about messages."""

from typing import Literal

from attrs import field, frozen, validators


@frozen
class BrokerSettings:
    """Which broker, and how much it may hold."""

    kind: Literal["in_process"] = field(default="in_process", validator=validators.in_(("in_process",)))
    prefetch: int = field(default=1000, validator=validators.ge(1))
    """Results that we take in hand before the first of them is acked."""
    max_messages_per_queue: int = field(default=10_000, validator=validators.ge(1))
    """In process: a publisher waits for room in a queue that holds so many, those in a consumer's hand included."""
    max_parked_messages: int = field(default=10_000, validator=validators.ge(1))
    """In process: of dead letters, and of foreign results, the oldest are dropped beyond so many."""
    publish_timeout_s: float = field(default=10.0, validator=validators.gt(0))
    """The longest wait for a confirm."""
