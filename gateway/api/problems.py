"""Errors as HTTP answers: the one place that maps kinds of error to status codes.

Every error answer is `application/problem+json` (RFC 9457) and also carries `error`, the text that older clients
read. What was not foreseen becomes a 500 that says nothing but an id, under which the log has the traceback.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway import errors
from gateway.api.bodies.expectations import refuse_unmet
from gateway.api.cors import is_preflight, preflight_answer
from gateway.api.paths import BATCH
from gateway.cancellation import is_being_cancelled
from gateway.errors import Conflict, GatewayError, RangeRefused, TooMany, Unavailable
from gateway.intake.content_coding import ACCEPTED, UnsupportedCoding

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

STATUS_OF_KIND: Final[Mapping[type[GatewayError], HTTPStatus]] = {
    errors.BadInput: HTTPStatus.BAD_REQUEST,
    errors.Unprocessable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ContentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.RangeRefused: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    errors.TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NoRoom: HTTPStatus.INSUFFICIENT_STORAGE,
}

_OF_SERVER: Final = {
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This method is not allowed here."),
    413: ("too_large", "The request is too large."),
    417: ("expectation_failed", "The only expectation that is met is 100-continue."),
    426: (
        "upgrade_required",
        f"This address speaks WebSocket. Over plain HTTP, GET {BATCH}/events tells the same of a job.",
    ),
}
"""Code and text for what the HTTP server itself refuses."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_GONE: Final = 499
"""Status of an answer that nobody hears: the client has left."""


def problem(
    status: int,
    text: str,
    code: str,
    *,
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """An answer of RFC 9457; `members` are further ones."""
    text = _readable(text)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": text,
        "error": text,
        "code": code,
        **(members or {}),
    }
    return web.Response(
        status=status, body=_rendered(body), content_type=MEDIA_TYPE, headers={**(headers or {})}
    )


def of_error(error: GatewayError, **where: str) -> web.Response:
    """The answer to a foreseen error; `where` it happened is for the log, should it be a bug."""
    status = status_of(type(error))
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return of_crash(error, **where)
    return problem(status, error.text, error.code, members=_members(error), headers=_headers(error))


def status_of(kind: type[GatewayError]) -> HTTPStatus:
    """The status of the nearest kind; a kind that is not meant for clients is a crash."""
    known = (STATUS_OF_KIND[base] for base in kind.__mro__ if base in STATUS_OF_KIND)
    return next(known, HTTPStatus.INTERNAL_SERVER_ERROR)


def of_server(refusal: web.HTTPException) -> web.Response:
    """The answer to what aiohttp refuses, with the headers that it wants (Allow, Upgrade)."""
    code, text = _OF_SERVER.get(refusal.status, ("refused", refusal.reason))
    if refusal.text and refusal.text != f"{refusal.status}: {refusal.reason}":
        text = refusal.text
    headers = {name: value for name, value in refusal.headers.items() if not name.startswith("Content-")}
    return problem(refusal.status, text, code, headers=headers)


def of_crash(error: BaseException, **where: str) -> web.Response:
    """The answer to a bug: an id for the log, where the rest stands."""
    request_id = uuid4().hex
    log.error("request crashed", request_id=request_id, exc_info=error, **where)
    text = "Something went wrong inside; the log of the gateway knows more under this request_id."
    return problem(500, text, "internal", members={"request_id": request_id})


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around every handler: whatever it raises becomes an answer."""
    try:
        refuse_unmet(request)
        return await handler(request)
    except web.HTTPException as refusal:
        # No route takes OPTIONS: preflights are among what the router refuses.
        answer = preflight_answer(request) if is_preflight(request) else of_server(refusal)
    except GatewayError as error:
        _tell(request, error)
        answer = of_error(error, **_where(request))
    except ConnectionResetError as error:
        # The builtin one means the client, when its connection is gone; a server of ours is Unavailable.
        bug = _is_connected(request)
        answer = of_crash(error, **_where(request)) if bug else web.Response(status=_GONE)
    except asyncio.CancelledError as error:
        if is_being_cancelled():
            raise
        # A client library ended its own wait by a bare CancelledError.
        answer = of_crash(error, **_where(request))
    except Exception as error:  # noqa: BLE001
        answer = of_crash(error, **_where(request))
    if not request.content.is_eof():
        # The rest of the body is not read: another request can't follow it on this connection.
        answer.force_close()
    return answer


def _tell(request: web.Request, error: GatewayError) -> None:
    """The log has what the client is not told."""
    if isinstance(error, Unavailable | errors.NoRoom):
        log.warning("request refused", reason=str(error), **_where(request))
    elif error.detail:
        log.info("request refused", reason=str(error), **_where(request))


def _where(request: web.Request) -> dict[str, str]:
    """For the log; without the query string, which may hold secrets."""
    job = {"job_id": request.match_info["job_id"]} if "job_id" in request.match_info else {}
    return {"method": request.method, "path": request.path, **job}


def _is_connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _readable(text: str) -> str:
    """`text` as every client can read it: what it quotes from a request may have held any bytes."""
    return _CONTROLS.sub(" ", text.encode("utf-8", "replace").decode())


def _rendered(body: Mapping[str, object]) -> bytes:
    """JSON, whatever `body` holds: an error on the way to an error's answer would be told by nobody."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, default=str).encode()


def _members(error: GatewayError) -> dict[str, object]:
    if not error.faults:
        return {}
    faults = [
        {"pointer": _readable(fault.pointer), "code": fault.code, "detail": _readable(fault.detail)}
        for fault in error.faults
    ]
    return {"errors": faults}


def _headers(error: GatewayError) -> dict[str, str]:
    if isinstance(error, Unavailable | Conflict | TooMany) and error.retry_after_s is not None:
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, UnsupportedCoding):
        return {"Accept-Encoding": ACCEPTED}
    if isinstance(error, RangeRefused):
        return {"Content-Range": f"bytes */{error.size}"}
    return {}
