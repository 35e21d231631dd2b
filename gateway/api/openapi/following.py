"""The operations by which batches are followed."""

from typing import Final

from gateway.api.openapi.blocks import (
    EVENT_STREAM,
    TOO_MANY,
    UNAVAILABLE,
    header,
    operation,
    problem,
    shaped_query,
)
from gateway.api.schemas.building import Schema, ref
from gateway.api.schemas.fields import AFTER, FOLLOW, IMAGES

_FOREIGN: Final = problem("Pages of this origin may not.")
_NO_HANDSHAKE: Final = problem(
    "The request is no WebSocket handshake.",
    {"Upgrade": header("websocket"), "Sec-WebSocket-Version": header("13")},
)
_UNKNOWN: Final = problem("No such batch, or its time is over.")
_WRONG: Final = problem("A parameter is wrong.")
_LAST_EVENT_ID: Final[Schema] = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "As after, and stronger: browsers send it when they come back.",
    "schema": {"type": "string"},
}


def follow() -> Schema:
    return operation(
        "following",
        "followBatch",
        "Follow a batch by WebSocket",
        {
            "101": _upgrade("The connection speaks WebSocket; each text message is an Event.", ref("Event")),
            "400": _WRONG,
            "403": _FOREIGN,
            "404": _UNKNOWN,
            "426": _NO_HANDSHAKE,
            "429": TOO_MANY,
            "503": UNAVAILABLE,
        },
        description=(
            "The state comes first, then every change; after job_complete the gateway closes with 1000. All messages "
            "and close codes are described at /api/v1/asyncapi.json."
        ),
        parameters=[shaped_query("after", AFTER), shaped_query("images", IMAGES)],
    )


def follow_many() -> Schema:
    spoken = (
        "Event", "Subscribed", "Unsubscribed", "SubscriptionError", "Heartbeat", "Jobs", "JobChanged", "JobDeleted",
        "Subscribe", "Unsubscribe",
    )  # fmt: skip
    return operation(
        "following",
        "followBatches",
        "Follow many batches, or the list of all, by one WebSocket",
        {
            "101": _upgrade(
                "The connection speaks WebSocket; the client sends Subscribe and Unsubscribe, the gateway the others.",
                {"oneOf": list(map(ref, spoken))},
            ),
            "403": _FOREIGN,
            "426": _NO_HANDSHAKE,
            "429": TOO_MANY,
            "503": UNAVAILABLE,
        },
        description="All messages and close codes are described at /api/v1/asyncapi.json.",
    )


def follow_events() -> Schema:
    return operation(
        "following",
        "followBatchEvents",
        "Follow a batch by server-sent events",
        {
            "200": {
                "description": "The state, then every change; it ends after job_complete.",
                "content": EVENT_STREAM,
            },
            "204": {"description": "You have seen the end already: do not come again."},
            "400": _WRONG,
            "404": _UNKNOWN,
            "429": TOO_MANY,
            "503": UNAVAILABLE,
        },
        parameters=[shaped_query("after", AFTER), shaped_query("images", IMAGES), _LAST_EVENT_ID],
    )


def follow_results() -> Schema:
    lines = {
        "type": "string",
        "contentMediaType": "application/jsonl",
        "contentSchema": ref("Result"),
        "description": "One image a line. An empty line is a sign of life.",
    }
    return operation(
        "following",
        "followResults",
        "The images of a batch that have ended, in the order of their ends",
        {
            "200": {
                "description": "Those that have ended; with follow=true those that are to come as well.",
                "content": {"application/jsonl": {"schema": lines}},
            },
            "400": _WRONG,
            "404": _UNKNOWN,
            "429": TOO_MANY,
            "503": UNAVAILABLE,
        },
        parameters=[shaped_query("after", AFTER), shaped_query("follow", FOLLOW)],
    )


def _upgrade(description: str, spoken: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": spoken}}}
