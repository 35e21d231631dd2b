"""What a site's answer is worth, judged by its status and headers before any of its body is read. Pure."""

import re
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.fetch.failures import DownloadFailed

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_TOO_MANY = 429
_FOR_NOW = frozenset({408, 425, _TOO_MANY})
_TYPE_CHARS = 100
_MAX_DIGITS = 18

LONGEST_WAIT_S: Final = 300.0
"""Of the pauses that a site asks for. None is cut short: who asks for a longer one is not asked again."""


def redirect_target(status: int, headers: Mapping[str, str]) -> str | None:
    return headers.get("Location") if status in _REDIRECTS else None


def demand_an_image(
    url: str,
    status: int,
    headers: Mapping[str, str],
    *,
    host: str,
    max_bytes: int,
    extra_types: Collection[str] = (),
) -> None:
    """Raises DownloadFailed unless the body may be the image that `url` was asked for; `host` is who answered."""
    if status != 200:
        raise _failed_with(url, status, headers, host)
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise DownloadFailed(url, "sent a compressed body, which was not asked for", detail=encoding)
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not media_type.startswith("image/") and media_type not in extra_types:
        raise DownloadFailed(url, f"sent {_shown(media_type)} instead of an image")
    declared_bytes = _digits(headers.get("Content-Length", ""))
    if declared_bytes is not None and declared_bytes > max_bytes:
        raise sent_too_much(url, max_bytes)


def sent_too_much(url: str, max_bytes: int) -> DownloadFailed:
    return DownloadFailed(url, f"sent more than {max_bytes} bytes", code="too_large")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date, which is compared with the sender's own clock."""
    value = headers.get("Retry-After", "").strip()
    seconds = _digits(value)
    if seconds is not None:
        return float(seconds)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def _failed_with(url: str, status: int, headers: Mapping[str, str], host: str) -> DownloadFailed:
    wait_s = retry_after_s(headers)
    if not _may_go_better(status):
        return DownloadFailed(url, f"answered {status}", code="not_found" if status in _GONE else None)
    if wait_s is not None and wait_s > LONGEST_WAIT_S:
        return DownloadFailed(url, f"answered {status} and asked for a pause of {wait_s:.0f} s")
    return DownloadFailed(
        url,
        f"answered {status}",
        retryable=True,
        retry_after_s=wait_s,
        resting_host=host if status == _TOO_MANY or wait_s is not None else None,
    )


def _may_go_better(status: int) -> bool:
    return status in _FOR_NOW or status >= 500


def _shown(media_type: str) -> str:
    return re.sub(r"[^\w/.+-]", "?", media_type, flags=re.ASCII)[:_TYPE_CHARS] or "no content type"


def _digits(text: str) -> int | None:
    return int(text) if re.fullmatch(rf"[0-9]{{1,{_MAX_DIGITS}}}", text) else None
