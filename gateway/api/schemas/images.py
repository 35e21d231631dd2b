"""Images, with the words about them."""

from gateway.api.schemas.building import Schema, an_object, count, list_of, ref, text, time
from gateway.api.schemas.fields import INDEX, JOB_ID, NEXT_CURSOR, TOTAL
from gateway.failure_codes import FAILURE_CODES


def image_schemas() -> Schema:
    return {
        "Image": _image(),
        "FoundImage": _found_image(),
        "ImagePage": _image_page(),
        "Metadata": _metadata(),
    }


def _image() -> Schema:
    return an_object(*image_fields(), "A field with no value is left out.")


def _found_image() -> Schema:
    required, optional = image_fields()
    return an_object({"job_id": JOB_ID, **required}, optional, "An image, and the batch that it is of.")


def _image_page() -> Schema:
    return an_object(
        {
            "images": list_of("FoundImage", description="Those of the newest batch first."),
            "total": TOTAL,
        },
        {"next_cursor": NEXT_CURSOR},
    )


def image_fields() -> tuple[Schema, Schema]:
    """Those that are always there, and those that may be."""
    required: Schema = {
        "index": count("Its place in the batch, from 0."),
        "original_filename": text("What it is called, as the client gave it."),
        "status": ref("Status"),
        "trace_id": text("Its name in messages and logs; never changes."),
    }
    codes = ", ".join(FAILURE_CODES)
    optional: Schema = {
        "processed_path": text("Key of the tagged image in the bucket of processed images."),
        "start_time": time("When work on it began."),
        "end_time": time("When it ended."),
        "error": text("Why it failed, for a person."),
        "code": text(f"Why it failed, as a stable word: {codes}; more may come."),
        "metadata": ref("Metadata"),
        "sha256": text("Of the original's bytes.", pattern="^[0-9a-f]{64}$"),
        "reused_from": an_object(
            {"job_id": JOB_ID, "index": INDEX},
            description="The image of the same bytes that was analysed in its place; its job's time may be over.",
        ),
    }
    return required, optional


def _metadata() -> Schema:
    keywords = {"type": "array", "items": {"type": "string"}}
    return an_object(
        {"title": text(), "description": text(), "keywords": keywords},
        {"writer": text("Who wrote the description: an analyzer's name and version, or a person.")},
        description="What was written into the image.",
    )
