"""The `x-death` header that a broker gives a dead letter, as RabbitMQ writes it.

A list of deaths, the latest first; one more death of the same queue and reason counts up its entry.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.ports.broker import Queue

REJECTED = "rejected"


def headers_after_reject(headers: Mapping[str, object], queue: Queue, now: datetime) -> dict[str, object]:
    """What a message of these headers carries once it was rejected in `queue`."""
    earlier = _deaths(headers)
    same = [death for death in earlier if _is_of(death, queue)]
    others = [death for death in earlier if not _is_of(death, queue)]
    death = {**same[0], "count": int(same[0]["count"]) + 1} if same else _first_death(queue, now)
    first = {
        "x-first-death-exchange": "",
        "x-first-death-queue": queue.value,
        "x-first-death-reason": REJECTED,
    }
    return {**first, **headers, "x-death": [death, *others]}


def _deaths(headers: Mapping[str, object]) -> list[dict[str, Any]]:
    deaths = headers.get("x-death")
    return [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []


def _is_of(death: Mapping[str, Any], queue: Queue) -> bool:
    return (
        death.get("queue") == queue.value
        and death.get("reason") == REJECTED
        and isinstance(death.get("count"), int)
    )


def _first_death(queue: Queue, now: datetime) -> dict[str, Any]:
    return {
        "count": 1,
        "reason": REJECTED,
        "queue": queue.value,
        "time": now.replace(microsecond=0),  # AMQP timestamps are whole seconds
        "exchange": "",
        "routing-keys": [queue.value],
    }
