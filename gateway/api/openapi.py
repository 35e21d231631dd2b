"""The API as an OpenAPI 3.1 document. A test holds it to the routes and to real answers."""

from importlib.metadata import version
from typing import Any

from gateway.api.idempotency import KEY_HEADER, REPLAYED
from gateway.api.parameters import LONGEST_KEYWORD, MOST_KEYWORDS
from gateway.api.schemas import Schema, options_as_json, ref, schemas
from gateway.domain.job import Status
from gateway.intake.settings import IntakeSettings

_INTRODUCTION = """\
Send a batch of JPEG or PNG images, follow how each is analysed and tagged, and fetch the tagged copies.

Every error is application/problem+json (RFC 9457) with a stable code. An image whose content is bad fails alone;
a request of a wrong shape is refused as a whole. All origins may call the API unless the gateway lists some.
Unknown query parameters are ignored, but refused by the search over all batches and, where batches are sent, listed or
shown, if they look like a known one misspelt. Fields may be added to answers.
"""


def document(intake: IntakeSettings) -> dict[str, Any]:
    """The whole document, with the bounds of this gateway."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Batch gateway",
            "version": version("batch-gateway"),
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "batches"},
            {"name": "images"},
            {"name": "dead letters"},
            {"name": "health"},
            {"name": "documentation"},
        ],
        "paths": {
            "/api/v1/batch": {"post": _submit(), "get": _list()},
            "/api/v1/batch/{job_id}": {"parameters": [_JOB_ID], "get": _status()},
            "/api/v1/batch/{job_id}/retry": {"parameters": [_JOB_ID], "post": _retry()},
            "/api/v1/images": {"get": _search()},
            "/api/v1/batch/{job_id}/ws": {"parameters": [_JOB_ID], "get": _follow()},
            "/api/v1/batch/{job_id}/images/{index}": {"parameters": [_JOB_ID, _INDEX], "get": _image()},
            "/api/v1/batch/{job_id}/images/{index}/original": {
                "parameters": [_JOB_ID, _INDEX],
                "get": _bytes("The image as it was sent", "getOriginal"),
            },
            "/api/v1/batch/{job_id}/images/{index}/processed": {
                "parameters": [_JOB_ID, _INDEX],
                "get": _bytes("The image with its tags written into it", "getProcessed"),
            },
            "/api/v1/dead-letters": {"get": _dead_letters(), "delete": _delete_dead_letters()},
            "/api/v1/dead-letters/{id}": {"parameters": [_DEAD_LETTER_ID], "delete": _delete_dead_letter()},
            "/api/v1/dead-letters/{id}/requeue": {"parameters": [_DEAD_LETTER_ID], "post": _requeue()},
            "/healthz": {"get": _alive()},
            "/readyz": {"get": _ready()},
            "/metrics": {"get": _metrics()},
            "/": {"get": _home()},
            "/api/v1/openapi.json": {"get": _page("This document", "getOpenApi", "application/json")},
            "/docs": {"get": _page("The documentation, to read and to try", "getDocs", "text/html")},
        },
        "components": {"schemas": schemas(intake)},
    }


def _operation(tag: str, name: str, summary: str, responses: Schema, **more: Any) -> Schema:
    default = _problem("Any other error.")
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        **more,
        "responses": {**responses, "default": default},
    }


def _json(description: str, name: str, headers: Schema | None = None, **more: Any) -> Schema:
    content = {"application/json": {"schema": ref(name), **more}}
    answer: Schema = {"description": description, "content": content}
    return {**answer, "headers": headers} if headers else answer


def _problem(description: str, headers: Schema | None = None) -> Schema:
    answer = {"description": description, "content": {"application/problem+json": {"schema": ref("Problem")}}}
    return {**answer, "headers": headers} if headers else answer


def _header(description: str, kind: str = "string") -> Schema:
    return {"description": description, "required": True, "schema": {"type": kind}}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _path_part(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


_JOB_ID = _path_part("job_id", "The job, as the answer to the new batch names it.", {"type": "string"})
_INDEX = _path_part("index", "The image's place in the batch, from 0.", {"type": "string"})
_DEAD_LETTER_ID = _path_part("id", "The dead letter, as its list names it.", {"type": "string"})
_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the version that you have.",
    "schema": {"type": "string"},
}
_ETAG = {"ETag": _header("Names this version.")}
_UNCHANGED = {"description": "You have this version already.", "headers": _ETAG}
_UNAVAILABLE = _problem(
    "A needed part is down, or the gateway is stopping or full.",
    {"Retry-After": _header("Seconds after which to try again.", "integer")},
)
_NO_ROOM = _problem("No room is left on the disk of the gateway's state.")
_IMAGE_BYTES: Schema = {
    media_type: {"schema": {"contentMediaType": media_type}} for media_type in ("image/jpeg", "image/png")
}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
_CURSOR = _query("cursor", "next_cursor of the page before.", {"type": "string"})
_KEYWORD = _query(
    "keyword",
    "Only images with this keyword, as a whole and in any case; with all of them, if it is given several times.",
    {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEYWORD},
        "maxItems": MOST_KEYWORDS,
    },
)
_IMAGE_STATUS = _query("status", "Only images with this status.", {"type": "string", "enum": list(Status)})
_BOOLEAN = {"type": "boolean", "default": False}
_KEY: Schema = {
    "name": KEY_HEADER,
    "in": "header",
    "description": (
        "Your name for this request, in quotes or without. It may then be sent again and is done once: a repeat gets "
        "the first answer, for 24 hours by default."
    ),
    "schema": {"type": "string", "minLength": 1},
    "example": '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
}
_ACCEPTED = {
    "Location": _header("The status of the new batch."),
    **{
        name: {"description": "This is a repeat.", "schema": {"const": value}}
        for name, value in REPLAYED.items()
    },
}
_LATER = {
    "Retry-After": {"description": "With code request_in_flight: seconds.", "schema": {"type": "integer"}}
}
_REUSED = "The idempotency key is of a request with other content."
_CREATED = {
    "job_id": "550e8400-e29b-41d4-a716-446655440000",
    "status": "pending",
    "created_at": "2025-11-18T10:30:00Z",
    "message": "Batch job created with 2 images",
}
_RETRIED = {**_CREATED, "retry_of": "550e8400-e29b-41d4-a716-446655440001"}


def _submit() -> Schema:
    content = {
        "application/json": {
            "schema": ref("NewBatch"),
            "example": {
                "images": [
                    {"url": "https://example.com/photo1.jpg", "name": "photo1.jpg"},
                    {"url": "https://example.com/photo2.png"},
                ]
            },
        },
        "multipart/form-data": {"schema": ref("BatchForm")},
        **_IMAGE_BYTES,
    }
    return _operation(
        "batches",
        "createBatch",
        "Send a batch of images",
        {
            "201": _json("Accepted for good.", "CreatedBatch", _ACCEPTED, example=_CREATED),
            "400": _problem("The request has a wrong shape; nothing of it is kept."),
            "408": _problem("The body came too slowly."),
            "409": _problem("An earlier request with this idempotency key is still being worked on.", _LATER),
            "413": _problem("The whole body is over its bound."),
            "415": _problem("A media type or content encoding that is not taken."),
            "422": _problem(f"With strict=true: an image's content was refused; nothing is kept. {_REUSED}"),
            "503": _UNAVAILABLE,
            "507": _problem("No room is left to store the images."),
        },
        parameters=[
            _KEY,
            _query("strict", "Refuse the whole batch if the content of any image is bad.", _BOOLEAN),
            _query("name", "The image's name, when the body is one image.", {"type": "string"}),
            _query(
                "options",
                'Options as JSON, when the body has no place for them: {"metadata": {"title": "keep"}}.',
                options_as_json(),
            ),
        ],
        requestBody={"required": True, "content": content},
    )


def _retry() -> Schema:
    content = {"application/json": {"schema": ref("Retry"), "example": {"images": [0, 3]}}}
    return _operation(
        "batches",
        "retryBatch",
        "Try failed images again, as a new batch",
        {
            "201": _json("Accepted for good.", "CreatedBatch", _ACCEPTED, example=_RETRIED),
            "400": _problem("The body has a wrong shape, or an index is none of the batch's."),
            "404": _problem("No such batch, or its time is over."),
            "408": _problem("The body came too slowly."),
            "409": _problem(
                "An image did not fail, its original was not kept or is gone, there is nothing to retry, or the "
                "options of the batch are not taken any more; or an earlier request with this idempotency key is still "
                "being worked on.",
                _LATER,
            ),
            "413": _problem("The body is over its bound."),
            "415": _problem("A media type or content encoding that is not taken."),
            "422": _problem(_REUSED),
            "503": _UNAVAILABLE,
            "507": _NO_ROOM,
        },
        description=(
            "The new batch works on the originals that are kept, so nothing is sent again; an image given as a URL "
            "that was not downloaded is downloaded anew. Without a body all that failed are meant, but for those whose "
            "content was refused. The old batch stays as it is, and may still be running."
        ),
        parameters=[_KEY],
        requestBody={"content": content},
    )


def _list() -> Schema:
    return _operation(
        "batches",
        "listBatches",
        "List batches, newest first",
        {
            "200": _json("A page.", "BatchPage"),
            "400": _problem("A parameter is wrong."),
            "503": _UNAVAILABLE,
        },
        parameters=[
            _query("limit", "Batches on a page; with images at most 50 come.", _LIMIT),
            _CURSOR,
            _query("status", "Only batches with this status.", {"type": "string", "enum": list(Status)}),
            _query("images", "Whether to show the images of each batch.", _BOOLEAN),
        ],
    )


def _status() -> Schema:
    return _operation(
        "batches",
        "getBatch",
        "How a batch stands",
        {
            "200": _json("The batch with all its images, or those that were asked for.", "Batch", _ETAG),
            "304": _UNCHANGED,
            "400": _problem("A parameter is wrong."),
            "404": _problem("No such batch, or its time is over."),
            "503": _UNAVAILABLE,
        },
        parameters=[_IF_NONE_MATCH, _KEYWORD, _IMAGE_STATUS],
    )


def _follow() -> Schema:
    return _operation(
        "batches",
        "followBatch",
        "Follow a batch by WebSocket",
        {
            "101": {
                "description": "The connection speaks WebSocket; each text frame is one Frame.",
                "content": {"application/json": {"schema": ref("Frame")}},
            },
            "403": _problem("Pages of this origin may not."),
            "404": _problem("No such batch, or its time is over."),
            "426": _problem("The request is no WebSocket handshake.", {"Upgrade": _header("websocket")}),
            "503": _UNAVAILABLE,
        },
        description=(
            "The current state comes first, then every change; after job_complete the gateway closes with 1000. "
            "1001: it stops, 1011: it can't read the log; come back with after."
        ),
        parameters=[
            _query(
                "after",
                "id of the last frame that you have seen, to go on from there; 0 for everything from the start. "
                "An unknown one gets the current state.",
                {"type": "string"},
            )
        ],
    )


def _search() -> Schema:
    return _operation(
        "images",
        "findImages",
        "Find images of all batches",
        {
            "200": _json("A page.", "ImagePage"),
            "400": _problem("A parameter is wrong."),
            "503": _UNAVAILABLE,
        },
        parameters=[_KEYWORD, _IMAGE_STATUS, _query("limit", "Images on a page.", _LIMIT), _CURSOR],
    )


def _image() -> Schema:
    return _operation(
        "images",
        "getImage",
        "How an image stands",
        {
            "200": _json("The image.", "Image", _ETAG),
            "304": _UNCHANGED,
            "404": _problem("No such batch or image."),
            "503": _UNAVAILABLE,
        },
        parameters=[_IF_NONE_MATCH],
    )


def _bytes(summary: str, name: str) -> Schema:
    headers = {
        **_ETAG,
        "Content-Disposition": _header("The image's file name (RFC 6266)."),
        "Accept-Ranges": _header("bytes"),
    }
    part = {**headers, "Content-Range": _header("Which bytes of how many.")}
    return _operation(
        "images",
        name,
        summary,
        {
            "200": {"description": "The image.", "headers": headers, "content": _IMAGE_BYTES},
            "206": {"description": "The part that Range asks for.", "headers": part, "content": _IMAGE_BYTES},
            "304": _UNCHANGED,
            "404": _problem("No such batch or image, or it was refused or failed and so not kept."),
            "409": _problem("Not yet (code not_ready): the image is still open."),
            "416": _problem("The image has no such bytes.", {"Content-Range": _header("bytes */size")}),
            "503": _UNAVAILABLE,
        },
        parameters=[
            _IF_NONE_MATCH,
            {
                "name": "Range",
                "in": "header",
                "description": "One range of bytes, such as bytes=0-1023.",
                "schema": {"type": "string"},
            },
            {
                "name": "If-Range",
                "in": "header",
                "description": "The ETag that the rest belongs to; of another version all is sent.",
                "schema": {"type": "string"},
            },
        ],
    )


def _dead_letters() -> Schema:
    return _operation(
        "dead letters",
        "listDeadLetters",
        "List messages of ours that an analyzer rejected, newest first",
        {
            "200": _json("A page.", "DeadLetterPage"),
            "400": _problem("A parameter is wrong."),
            "503": _UNAVAILABLE,
        },
        description="Each ended one attempt of an image. It is kept as long as the batch, or until it is dealt with.",
        parameters=[_query("limit", "Dead letters on a page.", _LIMIT), _CURSOR],
    )


def _requeue() -> Schema:
    return _operation(
        "dead letters",
        "requeueDeadLetter",
        "Send the image of a dead letter again",
        {
            "201": _json(
                "The image has failed: a new batch tries it again.",
                "CreatedBatch",
                {"Location": _header("The status of the new batch.")},
                example=_RETRIED,
            ),
            "202": _json("The image is open: it gets another attempt at once.", "SentAgain"),
            "404": _problem("No such dead letter, or it was requeued or deleted."),
            "409": _problem("The image was completed or cancelled, or the batch or its original is gone."),
            "503": _UNAVAILABLE,
            "507": _NO_ROOM,
        },
        description="The dead letter is gone with it, so it is good for one attempt.",
    )


def _delete_dead_letter() -> Schema:
    return _operation(
        "dead letters",
        "deleteDeadLetter",
        "Delete a dead letter",
        {
            "204": {"description": "It is gone; its image stays as it is."},
            "404": _problem("No such dead letter, or it was requeued or deleted."),
            "503": _UNAVAILABLE,
            "507": _NO_ROOM,
        },
    )


def _delete_dead_letters() -> Schema:
    return _operation(
        "dead letters",
        "deleteDeadLetters",
        "Delete all dead letters",
        {
            "200": _json("They are gone; their images stay as they are.", "DeletedDeadLetters"),
            "503": _UNAVAILABLE,
            "507": _NO_ROOM,
        },
    )


def _alive() -> Schema:
    return _operation(
        "health", "getHealth", "Whether the process is alive", {"200": _json("It is.", "Health")}
    )


def _ready() -> Schema:
    return _operation(
        "health",
        "getReadiness",
        "Whether the gateway can work",
        {
            "200": _json("All parts that it needs work.", "Readiness"),
            "503": _json("Some part fails, or the gateway is stopping.", "Readiness"),
        },
    )


def _metrics() -> Schema:
    text = {"schema": {"type": "string"}}
    content = {"text/plain": text, "application/openmetrics-text": text}
    answer = {"description": "In the format that was asked for by Accept.", "content": content}
    return _operation("health", "getMetrics", "What is counted, for Prometheus", {"200": answer})


def _home() -> Schema:
    answer = {"description": "To the documentation.", "headers": {"Location": _header("/docs")}}
    return _operation("documentation", "getHome", "The way to the documentation", {"302": answer})


def _page(summary: str, name: str, media_type: str) -> Schema:
    content = {media_type: {"schema": {"type": "object" if media_type == "application/json" else "string"}}}
    return _operation(
        "documentation",
        name,
        summary,
        {
            "200": {"description": "Here it is.", "headers": _ETAG, "content": content},
            "304": _UNCHANGED,
        },
        parameters=[_IF_NONE_MATCH],
    )
