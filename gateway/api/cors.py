"""Who may read our answers from another site: the CORS protocol of the Fetch standard.

By default every origin may. With a list of origins others get answers without the headers, which their browsers
then withhold, and no WebSocket, which browsers do not guard by themselves.
"""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import frozen

_EXPOSED: Final = "Content-Disposition, Content-Range, ETag, Location, Retry-After"
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_PREFLIGHT_S: Final = "600"


@frozen
class CrossOrigin:
    """`origins` as browsers write them (`https://example.com`), or `*` for all."""

    origins: tuple[str, ...] = ("*",)

    def allows(self, origin: str | None) -> bool:
        """Whether a page of that origin may; who names none is no browser."""
        return origin is None or "*" in self.origins or origin in self.origins

    async def add_headers(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Mark an answer, whichever it is, before its headers are sent."""
        headers = response.headers
        if "*" in self.origins:
            headers["Access-Control-Allow-Origin"] = "*"
            headers["Access-Control-Expose-Headers"] = _EXPOSED
            return
        headers["Vary"] = "Origin"
        origin = request.headers.get("Origin")
        if origin in self.origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED


@web.middleware
async def answer_preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A preflight is answered alike for all addresses, so that a page can read what the request itself gets."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return await handler(request)
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
            "Access-Control-Max-Age": _PREFLIGHT_S,
        },
    )
