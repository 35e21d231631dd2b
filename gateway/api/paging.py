"""Which page of a list is asked for: every list of this API pages alike."""

from typing import Final

from aiohttp import web

from gateway.api.parameters import number

DEFAULT_PAGE: Final = 50
LONGEST_PAGE: Final = 500


def limit_of(request: web.Request) -> int:
    """How many members it may have. Raises BadParameter."""
    return number(request, "limit", default=DEFAULT_PAGE, at_most=LONGEST_PAGE)


def cursor_of(request: web.Request) -> str | None:
    """Where it begins; None: at the list's beginning."""
    return request.query.get("cursor") or None
