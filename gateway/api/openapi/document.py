"""The API as an OpenAPI 3.1 document. A test holds it to the routes and to real answers."""

from importlib.metadata import version
from typing import Any

from gateway.api.openapi.batches import list_batches, retry, status, submit
from gateway.api.openapi.blocks import DEAD_LETTER_ID, INDEX, JOB_ID
from gateway.api.openapi.dead_letters import (
    delete_dead_letter,
    delete_dead_letters,
    list_dead_letters,
    requeue,
)
from gateway.api.openapi.following import follow, follow_events, follow_many, follow_results
from gateway.api.openapi.images import image_bytes, image_state, search
from gateway.api.openapi.service import alive, metrics, page, ready
from gateway.api.schemas.components import schemas
from gateway.intake.settings import IntakeSettings

_INTRODUCTION = """\
Send a batch of JPEG or PNG images, follow how each is analysed and tagged, and fetch the tagged copies.

Every error is application/problem+json (RFC 9457) with a stable code. An image whose content is bad fails alone;
a request of a wrong shape is refused as a whole. All origins may call the API unless the gateway lists some.
Unknown query parameters are ignored, but refused by the search over all batches and, where batches are sent, listed,
shown or followed, if they look like a known one misspelt. Fields may be added to answers.

What the gateway tells of its own accord, by WebSocket, server-sent events and lines of JSON, is described for programs
at /api/v1/asyncapi.json (AsyncAPI 3.0).
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
            {"name": "following"},
            {"name": "images"},
            {"name": "dead letters"},
            {"name": "health"},
            {"name": "documentation"},
        ],
        "paths": {
            "/api/v1/batch": {"post": submit(), "get": list_batches()},
            "/api/v1/batch/{job_id}": {"parameters": [JOB_ID], "get": status()},
            "/api/v1/batch/{job_id}/retry": {"parameters": [JOB_ID], "post": retry()},
            "/api/v1/ws": {"get": follow_many()},
            "/api/v1/images": {"get": search()},
            "/api/v1/batch/{job_id}/ws": {"parameters": [JOB_ID], "get": follow()},
            "/api/v1/batch/{job_id}/events": {"parameters": [JOB_ID], "get": follow_events()},
            "/api/v1/batch/{job_id}/results": {"parameters": [JOB_ID], "get": follow_results()},
            "/api/v1/batch/{job_id}/images/{index}": {"parameters": [JOB_ID, INDEX], "get": image_state()},
            "/api/v1/batch/{job_id}/images/{index}/original": {
                "parameters": [JOB_ID, INDEX],
                "get": image_bytes("The image as it was sent", "getOriginal"),
            },
            "/api/v1/batch/{job_id}/images/{index}/processed": {
                "parameters": [JOB_ID, INDEX],
                "get": image_bytes("The image with its tags written into it", "getProcessed"),
            },
            "/api/v1/dead-letters": {"get": list_dead_letters(), "delete": delete_dead_letters()},
            "/api/v1/dead-letters/{id}": {"parameters": [DEAD_LETTER_ID], "delete": delete_dead_letter()},
            "/api/v1/dead-letters/{id}/requeue": {"parameters": [DEAD_LETTER_ID], "post": requeue()},
            "/healthz": {"get": alive()},
            "/readyz": {"get": ready()},
            "/metrics": {"get": metrics()},
            "/": {"get": page("A page that sends photos", "getHome", "text/html")},
            "/batches/{job_id}": {
                "parameters": [JOB_ID],
                "get": page("A page that shows a batch while it is worked on", "getBatchPage", "text/html"),
            },
            "/api/v1/openapi.json": {"get": page("This document", "getOpenApi", "application/json")},
            "/api/v1/asyncapi.json": {
                "get": page("What the gateway tells of its own accord", "getAsyncApi", "application/json")
            },
            "/docs": {"get": page("The documentation, to read and to try", "getDocs", "text/html")},
        },
        "components": {"schemas": schemas(intake)},
    }
