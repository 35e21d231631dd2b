"""The operations on single images."""

from gateway.api.openapi.blocks import (
    CURSOR,
    ETAG,
    IF_NONE_MATCH,
    IMAGE_BYTES,
    IMAGE_STATUS,
    KEYWORD,
    LIMIT,
    UNAVAILABLE,
    UNCHANGED,
    header,
    json_answer,
    operation,
    problem,
    query,
)
from gateway.api.schemas.building import Schema


def search() -> Schema:
    return operation(
        "images",
        "findImages",
        "Find images of all batches",
        {
            "200": json_answer("A page.", "ImagePage"),
            "400": problem("A parameter is wrong."),
            "503": UNAVAILABLE,
        },
        parameters=[KEYWORD, IMAGE_STATUS, query("limit", "Images on a page.", LIMIT), CURSOR],
    )


def image_state() -> Schema:
    return operation(
        "images",
        "getImage",
        "How an image stands",
        {
            "200": json_answer("The image.", "Image", ETAG),
            "304": UNCHANGED,
            "404": problem("No such batch or image."),
            "503": UNAVAILABLE,
        },
        parameters=[IF_NONE_MATCH],
    )


def image_bytes(summary: str, name: str) -> Schema:
    headers = {
        **ETAG,
        "Content-Disposition": header("The image's file name (RFC 6266)."),
        "Accept-Ranges": header("bytes"),
    }
    part = {**headers, "Content-Range": header("Which bytes of how many.")}
    return operation(
        "images",
        name,
        summary,
        {
            "200": {"description": "The image.", "headers": headers, "content": IMAGE_BYTES},
            "206": {"description": "The part that Range asks for.", "headers": part, "content": IMAGE_BYTES},
            "304": UNCHANGED,
            "404": problem("No such batch or image, or it was refused or failed and so not kept."),
            "409": problem("Not yet (code not_ready): the image is still open."),
            "416": problem("The image has no such bytes.", {"Content-Range": header("bytes */size")}),
            "503": UNAVAILABLE,
        },
        parameters=[
            IF_NONE_MATCH,
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
