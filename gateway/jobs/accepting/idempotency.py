"""Requests that a client may repeat: whatever becomes of the connection, what it asked for is done once.

By draft-ietf-httpapi-idempotency-key-header. A request brings a key; the answer to it is committed with the job that
the answer tells of, so one is never without the other, and is given again to every repeat. A repeat is known by its
content, for a body's bytes change with each try (a border between its parts). What is refused leaves no answer: its
key may be used again. While a request is under way, others with its key are sent away, by a lease.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, Final
from uuid import uuid4

import structlog
from attrs import asdict, define, frozen

from gateway.domain.job import Job
from gateway.domain.receipt import Answer, Receipt, receipt_of
from gateway.errors import Conflict, GatewayError, Unprocessable
from gateway.ports.answers import AlreadyAnswered, Answers
from gateway.ports.clock import Clock
from gateway.ports.leases import Leases

log = structlog.get_logger(__name__)

Companions = Callable[[Job], Sequence[Answer]]
"""What is committed with a new job."""

_MARGIN_S: Final = 600.0
"""For what follows a body that took all its time: the last puts, the commit, what is undone."""
_RETRY_S: Final = 1


class RequestInFlight(Conflict):
    """Another request with this key is under way."""

    default_code = "request_in_flight"

    def __init__(self) -> None:
        text = "A request with this idempotency key is still being worked on; ask again for its answer."
        super().__init__(text, retry_after_s=_RETRY_S)


class KeyReused(Unprocessable):
    """The key belongs to a request with other content."""

    default_code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This idempotency key was used for a request with other content; take a new one.")


@frozen
class Asked:
    """What a request asks for: which kind it is, and its content, whatever order its names have.

    The content is JSON values and values of attrs classes, of which a field that says nothing (None) is no part.
    """

    kind: str
    content: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        document = json.dumps([self.kind, self.content], default=_said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(document.encode()).hexdigest()


def _said(value: Any) -> Mapping[str, Any]:
    return asdict(value, filter=lambda _, field: field is not None)


@frozen
class Accepted:
    """What answers a request; a repeat gets the receipt of the first one, and nothing is done for it."""

    receipt: Receipt
    is_repeat: bool = False


@define(eq=False, kw_only=True)
class Turn:
    """The turn of one request: no other with its key is under way. Without a key it is every request's at once."""

    _answers: Answers
    _clock: Clock
    _keep: timedelta
    _key: str = ""
    _first: Answer | None = None

    @property
    def has_key(self) -> bool:
        return bool(self._key)

    @property
    def is_repeat(self) -> bool:
        """Whether the key was answered before: then nothing may be done but to find out what is `asked`."""
        return self._first is not None

    def companions(self, asked: Asked, job: Job) -> Sequence[Answer]:
        """What is to be committed with the new job: its answer, if there is a key.

        Where the commit raises AlreadyAnswered, the turn took longer than its lease: undo, then `repeated`.
        """
        if not self._key:
            return ()
        receipt = receipt_of(job)
        expires_at = receipt.created_at + self._keep
        return (Answer(key=self._key, fingerprint=asked.fingerprint, receipt=receipt, expires_at=expires_at),)

    async def repeated(self, asked: Asked) -> Accepted:
        """The first answer again. Raises KeyReused when it was given to something else, Unavailable."""
        first = self._first or await self._answer_of_another()
        if first.fingerprint != asked.fingerprint:
            raise KeyReused
        log.info("request answered again", job_id=first.receipt.job_id, kind=asked.kind)
        return Accepted(first.receipt, is_repeat=True)

    async def _answer_of_another(self) -> Answer:
        """Of one that was quicker. Raises RequestInFlight if it is forgotten by now: the client may ask again."""
        answer = await self._answers.answer(self._key, now=self._clock.now())
        if answer is None:
            raise RequestInFlight
        return answer


@define(eq=False, kw_only=True)
class IdempotentRequests:
    """Gives each request its turn. Answers are kept for `keep_s`; no request's body takes longer than `body_s`."""

    _answers: Answers
    _leases: Leases
    _clock: Clock
    _keep_s: float
    _body_s: float

    @asynccontextmanager
    async def turn(self, key: str | None) -> AsyncIterator[Turn]:
        """The turn of a request with that key, or with none. Raises RequestInFlight, Unavailable."""
        if key is None:
            yield self._any_time
            return
        async with self._alone(key):
            first = await self._answers.answer(key, now=self._clock.now())
            yield self._turn(key, first)

    async def once(
        self, key: str | None, asked: Asked, do: Callable[[Companions], Awaitable[Job]]
    ) -> Accepted:
        """What `do` makes of a request whose content is known before; for a repeat, what it made the first time.

        The job that it returns must be committed with what the function that it is given makes of it. Raises
        KeyReused, RequestInFlight, Unavailable, what `do` raises.
        """
        async with self.turn(key) as turn:
            if turn.is_repeat:
                return await turn.repeated(asked)
            try:
                job = await do(partial(turn.companions, asked))
            except AlreadyAnswered:
                return await turn.repeated(asked)
            return Accepted(receipt_of(job))

    @cached_property
    def _any_time(self) -> Turn:
        """The turn of every request without a key."""
        return self._turn()

    def _turn(self, key: str = "", first: Answer | None = None) -> Turn:
        keep = timedelta(seconds=self._keep_s)
        return Turn(answers=self._answers, clock=self._clock, keep=keep, key=key, first=first)

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        """As the only request with that key. One that dies holds the lease no longer than a request may take."""
        name, holder, now = f"idempotency:{key}", uuid4().hex, self._clock.now()
        until = now + timedelta(seconds=self._body_s + _MARGIN_S)
        try:
            if not await self._leases.acquire_lease(name, holder=holder, now=now, until=until):
                raise RequestInFlight
            yield
        finally:
            # Also of a lease that was asked for in vain, or whose answer was not awaited to its end.
            with suppress(GatewayError):
                await self._leases.release_lease(name, holder=holder)
