"""URLs of images: how they are read and how redirects are followed. Pure.

What is asked never holds userinfo: nobody's password goes out by way of the gateway.
"""

import re
from typing import Final

from yarl import URL

from gateway.fetch.domains import normalised

INVALID = "is not a valid URL"
_NO_HOST: Final = "names no host that can be looked up"

# RFC 1035, section 2.3.4, and a port: IDNA makes no name shorter, and takes seconds for one of kilobytes.
_MAX_LABEL, _MAX_HOST = 63 + len(":65535"), 253 + len(":65535")
_HOST: Final = re.compile(r"[^/?#]*/[\t\r\n]*/(?:[^/?#]*@)?([^/?#]*)")
_LABEL_ENDS: Final = re.compile("[.\u3002\uff0e\uff61]")


class UrlUnreadable(ValueError):
    """Not a URL, or without a host to look up; the text is the rest of the sentence that begins with the URL."""


class UrlRefused(ValueError):
    """Understood, and not followed; the text is the rest of the sentence that begins with the URL."""


def readable(url: str) -> URL:
    """`url` as it is asked: http or https, a host that can be looked up, no userinfo, no fragment."""
    return _askable(parsed(url))


def next_hop(hop: URL, location: str) -> URL:
    """Where `location` in an answer from `hop` leads (RFC 9110, section 10.2.2); never from https to http."""
    try:
        target = _askable(hop.join(parsed(location)))
    except UrlUnreadable as error:
        raise UrlUnreadable("redirects to what can't be read as a URL") from error
    if hop.scheme == "https" and target.scheme == "http":
        raise UrlRefused("redirects from https to http")
    return target


def parsed(url: str) -> URL:
    """`url` taken apart, whatever may be thought of it. Raises UrlUnreadable."""
    if _is_host_too_long(url):
        raise UrlUnreadable(_NO_HOST)
    try:
        return URL(url)
    except (ValueError, IndexError) as error:  # IndexError: brackets before an @, `http://[]@/`
        raise UrlUnreadable(INVALID) from error


def _askable(url: URL) -> URL:
    if url.scheme not in ("http", "https"):
        raise UrlRefused("leads to a URL that is neither http nor https")
    try:
        normalised(url.raw_host or "")
    except ValueError as error:
        raise UrlUnreadable(_NO_HOST) from error
    return url.with_user(None).with_fragment(None)


def _is_host_too_long(url: str) -> bool:
    """Whether no encoding can make a name of it."""
    host = match[1] if (match := _HOST.match(url)) else ""
    return len(host) > _MAX_HOST or any(len(label) > _MAX_LABEL for label in _LABEL_ENDS.split(host))
