"""How often work on a message was begun: counted in the message itself, before the work begins.

A broker delivers what a dead worker had in hand again, and says `redelivered`, but counts nothing. So a message that
kills its worker would go on to kill each that follows. Here whoever is given a redelivered message first puts a copy
into the queue whose header counts one try more, and takes it when it comes.
"""

from collections.abc import Mapping
from typing import Final

from gateway.messages import TRIES
from gateway.ports.broker import Delivery

MOST: Final = 1_000_000
"""What is more than that was not written here."""


def tries_of(delivery: Delivery) -> int:
    """Which try it is, if work begins on it now; of a redelivered one, which try it was that came to no end."""
    told = delivery.headers.get(TRIES)
    return told if isinstance(told, int) and not isinstance(told, bool) and 1 <= told <= MOST else 1


def for_the_next_try(delivery: Delivery) -> Mapping[str, object]:
    """The headers of a copy that counts one try more; that count first, for of too many headers the last are cut."""
    return {TRIES: tries_of(delivery) + 1} | without_tries(delivery)


def without_tries(delivery: Delivery) -> dict[str, object]:
    """Its headers as somebody else gets them, who begins to count anew."""
    return {name: value for name, value in delivery.headers.items() if name != TRIES}
