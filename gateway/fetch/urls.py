"""URLs of images: how they are read and how redirects are followed. Pure.

What is asked never holds userinfo: nobody's password goes out by way of the gateway.
"""

from yarl import URL

from gateway.fetch.domains import normalised

INVALID = "is not a valid URL"


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
        raise UrlUnreadable("names no host that can be looked up") from error
    return url.with_user(None).with_fragment(None)
