"""What a dead letter says: whose attempt ended, and why.

Our analyzer says why, as headers of the copy that it puts there. What the broker moved there for an existing one has
its `x-death` alone. Pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from attrs import frozen

from gateway.domain.attempt import AttemptName, parse_attempt
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.job import Failure
from gateway.failure_codes import ANALYSIS_CODES, ANALYSIS_FAILED
from gateway.jobs.failure_texts import fit_for_clients
from gateway.messages import FAILURE_CODE, REJECT_REASON, ImageUpload, Malformed, decode
from gateway.ports.broker import Delivery

MAX_BODY_BYTES: Final = 16 * 1024
"""Ours have a tenth of it, whatever an image is called."""
_REJECTED: Final = "rejected"
"""What brokers call a reject, and what we say where nobody said anything."""


@frozen(kw_only=True)
class RejectedAttempt:
    """A dead letter of ours. `queue` is None where nobody says which one the message lay in."""

    job_id: str
    name: AttemptName
    failure: Failure
    queue: str | None
    reason: str
    count: int
    body: str
    said: Mapping[str, object]
    """For the log: the analyzer's reason, in its own words, or what the broker says of the reject."""

    def letter(self, index: int | None, *, queue: str, at: datetime) -> DeadLetter:
        """As it is kept; `queue` where it does not say which one it was."""
        return DeadLetter(
            dead_letter_id=str(self.name),
            job_id=self.job_id,
            index=index,
            trace_id=self.name.trace_id,
            attempt=self.name.number,
            queue=self.queue or queue,
            reason=self.reason,
            code=self.failure.code,
            count=self.count,
            at=at,
            body=self.body,
        )


def rejected_attempt(delivery: Delivery, prefix: str) -> RejectedAttempt | None:
    """None for what is not of ours, or can't be read."""
    if len(delivery.body) > MAX_BODY_BYTES:
        return None
    try:
        message = decode(ImageUpload, delivery.body)
    except Malformed:
        return None
    name = parse_attempt(message.trace_id, prefix)
    if name is None or not message.original_path:  # a result that could not be read has none
        return None
    if not _is_flat(delivery.body):
        return None
    reason, death = _reason(delivery.headers), _last_death(delivery.headers)
    return RejectedAttempt(
        job_id=message.group_id,
        name=name,
        failure=Failure(_code(delivery.headers), _text(name.number, reason)),
        queue=_short_text(death.get("queue")),
        reason=reason or _short_text(death.get("reason")) or _REJECTED,
        count=_count(death.get("count")),
        body=delivery.body.decode(),
        said=_said(delivery.headers, death),
    )


def _is_flat(body: bytes) -> bool:
    """As all of ours are; clients get it as JSON in JSON, and some readers go no deeper than they must."""
    return not any(isinstance(value, dict | list) for value in orjson.loads(body).values())


def _code(headers: Mapping[str, object]) -> str:
    told = headers.get(FAILURE_CODE)
    return next((code for code in ANALYSIS_CODES if code == told), ANALYSIS_FAILED)


def _reason(headers: Mapping[str, object]) -> str | None:
    """The analyzer's, fit for clients."""
    reason = headers.get(REJECT_REASON)
    return fit_for_clients(reason) if isinstance(reason, str) and reason.strip() else None


def _text(attempts: int, reason: str | None) -> str:
    times = "once" if attempts == 1 else f"{attempts} times"
    return f"the analyzer rejected the image {times}{f': {reason}' if reason else ''}"


def _last_death(headers: Mapping[str, object]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return last if isinstance(last, dict) else {}


def _short_text(value: object) -> str | None:
    """The name of a queue or of a reason, which AMQP has in 255 bytes."""
    return value[:255] if isinstance(value, str) and value else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 1 else 1


def _said(headers: Mapping[str, object], death: Mapping[str, Any]) -> Mapping[str, object]:
    if REJECT_REASON in headers:
        return {"reason": headers[REJECT_REASON]}
    return {f"death_{key}": death.get(key) for key in ("queue", "reason", "count")} if death else {}
