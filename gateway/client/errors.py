"""What can go wrong between a client and its gateway."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The call did not succeed; the text is for people."""


class Unreachable(ClientError):
    """No gateway answered, or it stopped in mid-answer. What was asked for may have been done or not."""


class NotConnected(Unreachable):
    """No connection was made, so nothing was asked for: it is safe to try again."""


class NoGateway(ClientError):
    """Something answers at that address, and it is no gateway."""


class Closed(ClientError):
    """A WebSocket was closed before all was said; `code` is its close code, 1006 where there was none."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Refused(ClientError):
    """The gateway answered no: its HTTP status, its stable word for it, and how long to wait before another try."""

    def __init__(self, status: int, text: str, *, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    @classmethod
    def by(cls, status: int, problem: Any, headers: Mapping[str, str]) -> "Refused":
        """From an answer; `problem` is its JSON, if it was JSON (RFC 9457)."""
        fields = problem if isinstance(problem, dict) else {}
        text = str(
            fields.get("detail") or fields.get("error") or fields.get("title") or f"HTTP status {status}"
        )
        return cls(
            status,
            text,
            code=str(fields.get("code", "")),
            retry_after_s=_seconds(headers.get("Retry-After", "")),
        )


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
