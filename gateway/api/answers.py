"""JSON answers, and the short one to a client that has this version already."""

from typing import Final

from aiohttp import web

from gateway.api.conditions import is_known

JSON: Final = "application/json"


def json_answer(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": JSON, **(headers or {})})


def versioned_answer(request: web.Request, body: bytes, etag: str) -> web.Response:
    """The body, or 304 when the client named its version in If-None-Match."""
    if is_known(etag, request.headers.get("If-None-Match")):
        return not_modified(etag)
    return web.Response(body=body, headers={"Content-Type": JSON, "ETag": etag, "Cache-Control": "no-cache"})


def not_modified(etag: str) -> web.Response:
    return web.Response(status=304, headers={"ETag": etag, "Cache-Control": "no-cache"})
