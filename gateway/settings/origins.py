"""Origins of pages as an operator may write them, to the spelling that browsers send (RFC 6454, section 6.2)."""

import re
from collections.abc import Iterable

from yarl import URL

_ALL = "*"
_OPAQUE = "null"
"""What browsers send for pages without an origin, such as files."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?", re.ASCII)


def normalised_origins(origins: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(normalised_origin, origins))


def normalised_origin(text: str) -> str:
    """`HTTPS://Example.com:443/` is `https://example.com`. Raises ValueError for what no browser would send."""
    if text in (_ALL, _OPAQUE):
        return text
    url = _url(text if "://" in text else f"https://{text}")
    origin = str(url.origin()) if url else ""
    if url is None or not _ORIGIN.fullmatch(origin):
        raise ValueError(f"{text!r} is not an origin; write it like https://example.com, or * for all")
    if "://" not in text or _has_more(url):
        raise ValueError(f"{text!r} is not an origin; did you mean {origin}?")
    return origin


def _url(text: str) -> URL | None:
    """None for what is none, or has no host."""
    try:
        url = URL(text)
        url.origin()
    except ValueError:
        return None
    return url


def _has_more(url: URL) -> bool:
    """Whether something stands there that is no part of an origin; a final slash is passed over."""
    return url.raw_path not in ("", "/") or bool(url.raw_query_string or url.raw_fragment or url.raw_user)
