"""What aiormq raises, in our words.

aiormq ends whoever waits on a connection that dies by a bare CancelledError, which is no cancellation of ours: it
must become an error, or tasks end without a word.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from gateway.cancellation import times_cancelled
from gateway.errors import Unavailable

REFUSALS: Final = (ChannelAccessRefused, ChannelLockedResource, ChannelPreconditionFailed)
"""The broker has the queue, but not as we want it or not for us."""
_ANSWERS: Final = (DeliveryError, ChannelNotFoundEntity, *REFUSALS)
_LOSSES: Final = (AMQPError, RuntimeError, OSError, EOFError, StopAsyncIteration)
_MAX_REASON_CHARS: Final = 300


class ConnectionLost(Unavailable):
    """The connection or the channel ended before the answer: the broker may have done what it was asked."""


class Nacked(Exception):
    """The broker did not take the message: a queue is full, or can't keep it now."""

    def __str__(self) -> str:
        return "the broker refused a message"


class Returned(Exception):
    """The broker has no queue of that name; the message came back, with the broker's words."""


class Unreadable(ConnectionError):
    """What the broker sends is no AMQP 0-9-1, or not in its order: nothing after it can be trusted."""


@contextmanager
def cancellation_kept() -> Iterator[None]:
    """One of ours stays one, also when an error of the library, or of a clean-up, would hide it."""
    cancelled_before = times_cancelled()
    try:
        yield
    except Exception as error:
        if times_cancelled() > cancelled_before:
            raise asyncio.CancelledError from error
        raise


@contextmanager
def losses_told() -> Iterator[None]:
    """Whatever ends a wait because the connection ends is ConnectionLost; what the broker answers passes."""
    cancelled_before = times_cancelled()
    try:
        with cancellation_kept():
            yield
    except asyncio.CancelledError as error:
        if times_cancelled() > cancelled_before:
            raise
        raise lost("closed") from error
    except (*_ANSWERS, TimeoutError):
        raise
    except Exception as error:
        # A closed channel gives some of its waiters an Exception of no class.
        if isinstance(error, _LOSSES) or type(error) is Exception:
            raise lost(reason_of(error)) from error
        raise


def lost(reason: str) -> ConnectionLost:
    return ConnectionLost("The connection to the message broker is lost.", detail=reason)


def reason_of(error: BaseException) -> str:
    """Why there is no connection: one line for an operator."""
    match error:
        case ProbableAuthenticationError():
            return "the broker refuses the user or the password"
        case InvalidFrameError() if "Connection.OpenOk" in str(error):
            # aiormq does not hand on what the broker says here.
            return "the broker refuses the virtual host: it does not exist, or the user has no access to it"
        case ConnectionLost():
            return error.detail or "closed"
        case AMQPError(__cause__=Unreadable() as cause):
            return str(cause)
        case ConnectionClosed():
            return f"the broker closed the connection: {_line(error)}"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason}"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case _:
            return _line(error)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:_MAX_REASON_CHARS]
