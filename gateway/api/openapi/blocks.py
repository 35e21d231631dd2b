"""What operations are described with: parameters, headers and answers that more than one of them has."""

from typing import Any

from gateway.api.idempotency import KEY_HEADER, REPLAYED
from gateway.api.paging import DEFAULT_PAGE, LONGEST_PAGE
from gateway.api.parameters import LONGEST_KEYWORD, MOST_KEYWORDS
from gateway.api.preferences import LONGEST_WAIT_S
from gateway.api.schemas.building import Schema, ref
from gateway.domain.job import Status


def operation(tag: str, name: str, summary: str, responses: Schema, **more: Any) -> Schema:
    default = problem("Any other error.")
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        **more,
        "responses": {**responses, "default": default},
    }


def json_answer(description: str, name: str, headers: Schema | None = None, **more: Any) -> Schema:
    content = {"application/json": {"schema": ref(name), **more}}
    answer: Schema = {"description": description, "content": content}
    return {**answer, "headers": headers} if headers else answer


def problem(description: str, headers: Schema | None = None) -> Schema:
    answer = {"description": description, "content": {"application/problem+json": {"schema": ref("Problem")}}}
    return {**answer, "headers": headers} if headers else answer


def created(example: Schema) -> Schema:
    """A new batch, and what comes of it if the client accepts that rather."""
    told = json_answer("Accepted for good.", "CreatedBatch", ACCEPTED, example=example)
    return {**told, "content": {**told["content"], **EVENT_STREAM}}


def header(description: str, kind: str = "string") -> Schema:
    return {"description": description, "required": True, "schema": {"type": kind}}


def query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def shaped_query(name: str, shape: Schema) -> Schema:
    """A parameter whose shape says what it is for."""
    return query(
        name, shape["description"], {key: value for key, value in shape.items() if key != "description"}
    )


def path_part(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


JOB_ID = path_part("job_id", "The job, as the answer to the new batch names it.", {"type": "string"})
INDEX = path_part("index", "The image's place in the batch, from 0.", {"type": "string"})
DEAD_LETTER_ID = path_part("id", "The dead letter, as its list names it.", {"type": "string"})
IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the version that you have.",
    "schema": {"type": "string"},
}
ETAG = {"ETag": header("Names this version.")}
UNCHANGED = {"description": "You have this version already.", "headers": ETAG}
UNAVAILABLE = problem(
    "A needed part is down, or the gateway is stopping or full.",
    {"Retry-After": header("Seconds after which to try again.", "integer")},
)
TOO_MANY = problem(
    "Too many follow already: this batch, from your address, or in all.",
    {"Retry-After": header("Seconds after which to try again.", "integer")},
)
NO_ROOM = problem("No room is left on the disk of the gateway's state.")
IMAGE_BYTES: Schema = {
    media_type: {"schema": {"contentMediaType": media_type}} for media_type in ("image/jpeg", "image/png")
}
LIMIT = {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": DEFAULT_PAGE}
CURSOR = query("cursor", "next_cursor of the page before.", {"type": "string"})
KEYWORD = query(
    "keyword",
    "Only images with this keyword, as a whole and in any case; with all of them, if it is given several times.",
    {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEYWORD},
        "maxItems": MOST_KEYWORDS,
    },
)
IMAGE_STATUS = query("status", "Only images with this status.", {"type": "string", "enum": list(Status)})
BOOLEAN = {"type": "boolean", "default": False}
KEY: Schema = {
    "name": KEY_HEADER,
    "in": "header",
    "description": (
        "Your name for this request, in quotes or without. It may then be sent again and is done once: a repeat gets "
        "the first answer, for 24 hours by default."
    ),
    "schema": {"type": "string", "minLength": 1},
    "example": '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
}
ACCEPTED = {
    "Location": header("The status of the new batch."),
    **{
        name: {"description": "This is a repeat.", "schema": {"const": value}}
        for name, value in REPLAYED.items()
    },
}
LATER = {
    "Retry-After": {"description": "With code request_in_flight: seconds.", "schema": {"type": "integer"}}
}
EVENT_STREAM: Schema = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "contentMediaType": "text/event-stream",
            "contentSchema": {"oneOf": [ref("Event"), ref("JobHeartbeat")]},
            "description": "Server-sent events; the data of each is JSON.",
        }
    }
}
PREFER: Schema = {
    "name": "Prefer",
    "in": "header",
    "description": (
        "wait=SECONDS (RFC 7240): rather wait for the end of the new batch, up to so long, and have all of it. Who "
        "accepts text/event-stream rather than JSON gets its events, to its end. Who leaves stops nothing."
    ),
    "schema": {"type": "string"},
    "example": f"wait={LONGEST_WAIT_S}",
}
WAITED = json_answer(
    "The new batch has ended in the time that was preferred.",
    "Batch",
    {**ACCEPTED, "Preference-Applied": header("wait, and the seconds.")},
)
REUSED = "The idempotency key is of a request with other content."
CREATED = {
    "job_id": "550e8400-e29b-41d4-a716-446655440000",
    "status": "pending",
    "created_at": "2025-11-18T10:30:00Z",
    "message": "Batch job created with 2 images",
}
RETRIED = {**CREATED, "retry_of": "550e8400-e29b-41d4-a716-446655440001"}
