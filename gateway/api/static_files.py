"""Our own files as they are sent: pages, what they are made of, and the JavaScript client.

No foreign host, nothing inline; a browser that has a file asks whether it is still that one. Pages name their files
relative to themselves, so all but /docs work below a path of a proxy as well. They hold no data: their scripts ask the
API for it.
"""

import hashlib
from importlib.resources import files
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import frozen

from gateway.api.answers import not_modified
from gateway.api.conditions import is_known

HTML: Final = "text/html; charset=utf-8"
CSS: Final = "text/css; charset=utf-8"
JAVASCRIPT: Final = "text/javascript; charset=utf-8"
TYPESCRIPT: Final = "application/typescript; charset=utf-8"
SVG: Final = "image/svg+xml"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src {images}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
POLICY: Final = _POLICY.format(images="'self'")
DOCS_POLICY: Final = _POLICY.format(images="'self' blob:")
"""Answers to what is tried there are shown as images."""


@frozen
class StaticFile:
    """A file of `gateway/api/static` by its address."""

    path: str
    name: str
    media_type: str
    policy: str = POLICY


STATIC_FILES: Final = (
    StaticFile("/", "home.html", HTML),
    StaticFile("/batches/{job_id}", "batch_page.html", HTML),
    StaticFile("/static/batch.js", "batch.js", JAVASCRIPT),
    StaticFile("/static/batch.d.ts", "batch.d.ts", TYPESCRIPT),
    StaticFile("/static/batch_page.js", "batch_page.js", JAVASCRIPT),
    StaticFile("/static/home.js", "home.js", JAVASCRIPT),
    StaticFile("/static/page.js", "page.js", JAVASCRIPT),
    StaticFile("/static/pages.css", "pages.css", CSS),
    StaticFile("/static/thumbnails.js", "thumbnails.js", JAVASCRIPT),
    StaticFile("/docs", "docs.html", HTML, DOCS_POLICY),
    StaticFile("/docs/docs.css", "docs.css", CSS, DOCS_POLICY),
    StaticFile("/docs/docs.js", "docs.js", JAVASCRIPT, DOCS_POLICY),
    StaticFile("/docs/icon.svg", "icon.svg", SVG, DOCS_POLICY),
)


def file_routes() -> list[web.RouteDef]:
    """One for each file."""
    static = files("gateway.api") / "static"
    return [
        web.get(file.path, serve((static / file.name).read_bytes(), file.media_type, file.policy))
        for file in STATIC_FILES
    ]


def serve(body: bytes, media_type: str, policy: str = POLICY) -> Handler:
    """Answers with the same bytes until the process ends."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "Content-Type": media_type,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "ETag": etag,
        "Cache-Control": "no-cache",
    }

    async def send(request: web.Request) -> web.StreamResponse:
        if is_known(etag, request.headers.get("If-None-Match")):
            return not_modified(etag)
        return web.Response(body=body, headers=headers)

    return send
