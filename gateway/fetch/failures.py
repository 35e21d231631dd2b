"""Why a download ended without an image, told so that its sender can act on it.

A text says what was asked (as `masked` shows it) and what came back, and never where else it led: neither
redirect targets nor addresses are the client's business. `retryable` says whether the same download may go better
later, `retry_after_s` when, if the site said so, and `resting_host` from which host all had better wait so long: the
one that answered, wherever redirects led.
"""

import re
from typing import ClassVar
from urllib.parse import urlsplit

from gateway.errors import ContentError

_SHOWN_CHARS = 200


def masked(url: str) -> str:
    """`url` as errors and logs may show it: without userinfo, query and fragment, for these hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        _ = parts.port
    except ValueError:
        return "this text"
    if not parts.scheme or not host:
        return "this text"
    userinfo = "***@" if "@" in parts.netloc else ""
    query = "?***" if parts.query else ""
    shown = f"{parts.scheme}://{userinfo}{host}{parts.path}"
    if len(shown) > _SHOWN_CHARS:
        shown = shown[:_SHOWN_CHARS] + "…"
    return re.sub(r"[^!-~\u00a0-\ud7ff\ue000-\U0010ffff…]", "?", shown) + query


class DownloadError(ContentError):
    """No image came of `url`; `happened` is the rest of the sentence that begins with it."""

    default_code: ClassVar[str] = "download_failed"

    def __init__(
        self,
        url: str,
        happened: str,
        *,
        code: str | None = None,
        detail: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
        resting_host: str | None = None,
    ) -> None:
        super().__init__(f"{masked(url)} {happened}", code=code, detail=detail)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.resting_host = resting_host


class DownloadFailed(DownloadError):
    """The other side did not give an image: download_failed, not_found or too_large."""


class DownloadRefused(DownloadError):
    """We do not connect there."""

    default_code: ClassVar[str] = "download_refused"
