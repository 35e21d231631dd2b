"""The operations on whole batches."""

from gateway.api.openapi.blocks import (
    BOOLEAN,
    CREATED,
    CURSOR,
    ETAG,
    IF_NONE_MATCH,
    IMAGE_BYTES,
    IMAGE_STATUS,
    KEY,
    KEYWORD,
    LATER,
    LIMIT,
    NO_ROOM,
    PREFER,
    RETRIED,
    REUSED,
    TOO_MANY,
    UNAVAILABLE,
    UNCHANGED,
    WAITED,
    created,
    json_answer,
    operation,
    problem,
    query,
    shaped_query,
)
from gateway.api.preferences import LONGEST_WAIT_S
from gateway.api.schemas.building import Schema, ref, text
from gateway.api.schemas.requests import options_as_json
from gateway.domain.job import Status

_WAIT = query(
    "wait",
    "Seconds to wait for something new; without it the answer comes at once.",
    {"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT_S},
)
_POLLED = text(
    "With wait: id of the answer that you have. With none, or another one, the answer comes at once."
)
_PACKED = "It may be packed, with Content-Encoding: gzip."


def submit() -> Schema:
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
        **IMAGE_BYTES,
    }
    return operation(
        "batches",
        "createBatch",
        "Send a batch of images",
        {
            "200": WAITED,
            "201": created(CREATED),
            "400": problem("The request has a wrong shape; nothing of it is kept."),
            "408": problem("The body came too slowly."),
            "409": problem("An earlier request with this idempotency key is still being worked on.", LATER),
            "413": problem("The whole body is over its bound."),
            "415": problem("A media type or content encoding that is not taken."),
            "422": problem(f"With strict=true: an image's content was refused; nothing is kept. {REUSED}"),
            "429": TOO_MANY,
            "503": UNAVAILABLE,
            "507": problem("No room is left to store the images."),
        },
        parameters=[
            KEY,
            PREFER,
            query("strict", "Refuse the whole batch if the content of any image is bad.", BOOLEAN),
            query("name", "The image's name, when the body is one image.", {"type": "string"}),
            query(
                "options",
                'Options as JSON, when the body has no place for them: {"metadata": {"title": "keep"}}.',
                options_as_json(),
            ),
        ],
        requestBody={"required": True, "content": content, "description": _PACKED},
    )


def retry() -> Schema:
    content = {"application/json": {"schema": ref("Retry"), "example": {"images": [0, 3]}}}
    return operation(
        "batches",
        "retryBatch",
        "Try failed images again, as a new batch",
        {
            "200": WAITED,
            "201": created(RETRIED),
            "400": problem("The body has a wrong shape, or an index is none of the batch's."),
            "404": problem("No such batch, or its time is over."),
            "408": problem("The body came too slowly."),
            "409": problem(
                "An image did not fail, its original was not kept or is gone, there is nothing to retry, or the "
                "options of the batch are not taken any more; or an earlier request with this idempotency key is still "
                "being worked on.",
                LATER,
            ),
            "413": problem("The body is over its bound."),
            "415": problem("A media type or content encoding that is not taken."),
            "422": problem(REUSED),
            "429": TOO_MANY,
            "503": UNAVAILABLE,
            "507": NO_ROOM,
        },
        description=(
            "The new batch works on the originals that are kept, so nothing is sent again; an image given as a URL "
            "that was not downloaded is downloaded anew. Without a body all that failed are meant, but for those whose "
            "content was refused. The old batch stays as it is, and may still be running."
        ),
        parameters=[KEY, PREFER],
        requestBody={"content": content, "description": _PACKED},
    )


def list_batches() -> Schema:
    return operation(
        "batches",
        "listBatches",
        "List batches, newest first",
        {
            "200": json_answer("A page.", "BatchPage"),
            "400": problem("A parameter is wrong."),
            "503": UNAVAILABLE,
        },
        parameters=[
            query("limit", "Batches on a page; with images at most 50 come.", LIMIT),
            CURSOR,
            query("status", "Only batches with this status.", {"type": "string", "enum": list(Status)}),
            query("images", "Whether to show the images of each batch.", BOOLEAN),
        ],
    )


def status() -> Schema:
    return operation(
        "batches",
        "getBatch",
        "How a batch stands",
        {
            "200": json_answer("The batch with all its images, or those that were asked for.", "Batch", ETAG),
            "304": UNCHANGED,
            "400": problem("A parameter is wrong."),
            "404": problem("No such batch, or its time is over."),
            "429": TOO_MANY,
            "503": UNAVAILABLE,
        },
        description="With wait and after it is a long poll: answered when there is something new, or the time is over.",
        parameters=[IF_NONE_MATCH, KEYWORD, IMAGE_STATUS, _WAIT, shaped_query("after", _POLLED)],
    )
