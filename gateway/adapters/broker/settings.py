"""What an operator can say about messages."""

from typing import Literal

from attrs import field, frozen, validators
from yarl import URL

from gateway.ports.broker import Queue

_SCHEMES = ("amqp", "amqps")
_MAX_QUEUE_NAME_BYTES = 255  # AMQP 0-9-1: a short string


def _is_queue_name(_: object, attribute: object, value: str) -> None:
    if not 1 <= len(value.encode()) <= _MAX_QUEUE_NAME_BYTES:
        raise ValueError(f"must have 1 to {_MAX_QUEUE_NAME_BYTES} bytes")


def _is_address(_: object, attribute: object, value: str) -> None:
    try:
        url = URL(value)
    except ValueError:  # it may quote what is secret
        url = URL()
    if url.scheme not in _SCHEMES or not url.raw_authority:
        raise ValueError(
            "must be like amqp://HOST:5672/VHOST, with USER:PASSWORD@ before the host; a / in them is written %2F"
        )


@frozen
class BrokerSettings:
    """Which broker, how to reach it, and how much may be in hand."""

    kind: Literal["in_process", "rabbitmq"] = field(
        default="in_process", validator=validators.in_(("in_process", "rabbitmq"))
    )
    url: str = field(default="amqp://guest:guest@127.0.0.1:5672/", validator=_is_address, repr=False)
    """RabbitMQ: where it is, with user and password; amqps for TLS."""
    vhost: str = ""
    """RabbitMQ: the virtual host; empty: the one of the URL."""
    ca_file: str = ""
    """RabbitMQ by TLS: certificates to trust, in PEM; empty: the system's."""
    heartbeat_s: float = field(default=10.0, validator=[validators.ge(1), validators.le(600)])
    """RabbitMQ: a connection on which nothing came for three times as long is dead."""
    connect_timeout_s: float = field(default=10.0, validator=validators.gt(0))
    """RabbitMQ: the longest that a connection may take, log-in included."""
    image_upload_queue: str = field(default="image_upload", validator=_is_queue_name)
    metadata_generated_queue: str = field(default="metadata_generated", validator=_is_queue_name)
    image_processed_queue: str = field(default="image_processed", validator=_is_queue_name)
    dead_letter_queue: str = field(default="dead_letter_queue", validator=_is_queue_name)
    foreign_queue: str = field(default="image_processed.foreign", validator=_is_queue_name)
    prefetch: int = field(default=1000, validator=[validators.ge(1), validators.le(65535)])
    """Results that we take in hand before the first of them is acked."""
    sweep_max_bytes: int = field(default=64 * 1024**2, validator=validators.ge(1))
    """RabbitMQ: dead letters that are held at once while they are looked at."""
    max_messages_per_queue: int = field(default=10_000, validator=validators.ge(1))
    """In process: a publisher waits for room in a queue that holds so many, those in a consumer's hand included."""
    max_parked_messages: int = field(default=10_000, validator=validators.ge(1))
    """In process: of dead letters, and of foreign results, the oldest are dropped beyond so many."""
    publish_timeout_s: float = field(default=10.0, validator=validators.gt(0))
    """The longest wait for a confirm."""

    def __attrs_post_init__(self) -> None:
        names = [self.queue_name(queue) for queue in Queue]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the names of the queues must differ, and two are called {name}")

    def queue_name(self, queue: Queue) -> str:
        """What the queue is called at the broker."""
        return {
            Queue.IMAGE_UPLOAD: self.image_upload_queue,
            Queue.METADATA_GENERATED: self.metadata_generated_queue,
            Queue.IMAGE_PROCESSED: self.image_processed_queue,
            Queue.DEAD_LETTER: self.dead_letter_queue,
            Queue.FOREIGN: self.foreign_queue,
        }[queue]
