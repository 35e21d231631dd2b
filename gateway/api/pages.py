"""The page at /docs and the document that it shows: our own files, no foreign host, no inline script."""

import hashlib
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api.answers import JSON, not_modified
from gateway.api.conditions import is_known
from gateway.api.openapi.document import document
from gateway.api.views import to_json
from gateway.intake.settings import IntakeSettings

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES: Final = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/docs.css": ("docs.css", "text/css; charset=utf-8"),
    "/docs/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/docs/icon.svg": ("icon.svg", "image/svg+xml"),
}

OPENAPI_PATH: Final = "/api/v1/openapi.json"
_HOME: Final = "/docs"


def page_routes(intake: IntakeSettings) -> list[web.RouteDef]:
    """Routes of the page's files, of the way to it, and of the OpenAPI document."""
    static = files("gateway.api") / "static"
    pages = [
        web.get(path, _serve((static / name).read_bytes(), media_type))
        for path, (name, media_type) in _FILES.items()
    ]
    return [*pages, web.get("/", _go_home), web.get(OPENAPI_PATH, _serve(to_json(document(intake)), JSON))]


async def _go_home(_: web.Request) -> web.StreamResponse:
    """Whoever opens the address that a start prints wants to see what is there."""
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": _HOME})


def _serve(body: bytes, media_type: str) -> Handler:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "Content-Type": media_type,
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "ETag": etag,
        "Cache-Control": "no-cache",
    }

    async def serve(request: web.Request) -> web.StreamResponse:
        if is_known(etag, request.headers.get("If-None-Match")):
            return not_modified(etag)
        return web.Response(body=body, headers=headers)

    return serve
