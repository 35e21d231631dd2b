"""Who may read our answers from another site: the CORS protocol of the Fetch standard.

By default every origin may. With a list of origins others get answers without the headers, which their browsers
then withhold, and no WebSocket, which browsers do not guard by themselves.
"""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from attrs import frozen

_EXPOSED: Final = (
    "Content-Disposition, Content-Range, ETag, Idempotent-Replayed, Location, Preference-Applied, Retry-After"
)
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_PREFLIGHT_S: Final = "600"

FOR_ALL: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}


@frozen
class CrossOrigin:
    """`origins` as browsers write them (`https://example.com`), or `*` for all."""

    origins: tuple[str, ...] = ("*",)

    def allows(self, origin: str | None) -> bool:
        """Whether a page of that origin may; who names none is no browser."""
        return origin is None or self.allows_all or origin in self.origins

    @property
    def allows_all(self) -> bool:
        return "*" in self.origins

    async def add_headers(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Mark an answer, whichever it is, before its headers are sent."""
        response.headers.update(self.headers_for(request.headers.get("Origin")))

    def headers_for(self, origin: str | None) -> Mapping[str, str]:
        """What marks an answer to a page of that origin; None where the request names none."""
        if self.allows_all:
            return FOR_ALL
        if origin not in self.origins:
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _EXPOSED,
        }


def is_of_our_own(request: web.Request) -> bool:
    """Whether the page that asks is of the origin that it asks, as far as a proxy passes the name on.

    Of a WebSocket browsers name that origin as well (RFC 6455, 10.2), and of HTTP they mostly don't.
    """
    _, _, at = request.headers.get("Origin", "").lower().partition("://")
    return at != "" and at == request.headers.get("Host", "").lower()


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks what it may send."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def preflight_answer(request: web.Request) -> web.Response:
    """The same for all addresses, so that a page can read what the request itself then gets."""
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
            "Access-Control-Max-Age": _PREFLIGHT_S,
        },
    )
