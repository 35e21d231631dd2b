"""The shapes of the API in JSON Schema (OpenAPI 3.1), by name: what `views.py` and `problems.py` write.

A test holds them to real answers, field by field.
"""

from collections.abc import Mapping
from typing import Any

from gateway.domain.events import EventType
from gateway.domain.job import Outcome, Status
from gateway.failure_codes import ANALYSIS_CODES, FAILURE_CODES
from gateway.intake.settings import IntakeSettings
from gateway.metadata import FieldPolicy

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(intake: IntakeSettings) -> Schema:
    """All of them; the bounds are those of this gateway."""
    return {
        "Status": {
            "type": "string",
            "enum": list(Status),
            "description": "The last three are final. A job is completed when every image has ended and at least one "
            "is completed, failed when every image failed.",
        },
        "Outcome": {
            "type": "string",
            "enum": list(Outcome),
            "description": "How a batch went that has ended. partial: some images completed, others failed.",
        },
        "NewBatch": _new_batch(intake),
        "BatchForm": _batch_form(intake),
        "NewImage": _new_image(intake),
        "Options": _options(),
        "Retry": _retry(intake),
        "CreatedBatch": _created_batch(),
        "BatchSummary": _summary(),
        "Batch": _batch(),
        "BatchPage": _page(),
        "FoundImage": _found_image(),
        "ImagePage": _image_page(),
        "Image": _image(),
        "Metadata": _metadata(),
        "DeadLetter": _dead_letter(),
        "DeadLetterPage": _dead_letter_page(),
        "DeletedDeadLetters": _object({"deleted": _count("So many there were.")}),
        "SentAgain": _sent_again(),
        "Frame": _frame(),
        "Health": _object({"status": {"const": "ok"}}),
        "Readiness": _readiness(),
        "Problem": _problem(),
        "Fault": _fault(),
    }


def options_as_json() -> Schema:
    """Where they are a text."""
    return _text("Options, as JSON.", contentMediaType="application/json", contentSchema=ref("Options"))


def _object(required: Schema, optional: Mapping[str, Schema] | None = None, description: str = "") -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }
    return {**schema, "description": description} if description else schema


def _text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def _time(description: str) -> Schema:
    return _text(f"{description} RFC 3339, UTC.", format="date-time")


def _list_of(name: str, **more: Any) -> Schema:
    return {"type": "array", "items": ref(name), **more}


_NEXT_CURSOR = _text("For the next page; left out on the last one.")
_JOB_ID = _text("The job.", format="uuid")
_INDEX = _count("The image's place in the batch, from 0.")
_TRACE_ID = _text("The image's name in messages and logs; never changes.")
_PROGRESS: Schema = {
    "type": "number",
    "minimum": 0,
    "maximum": 100,
    "description": "Percentage of images that have ended; exactly 100 when all have.",
}
_COUNTS: Schema = {
    "total_images": _count("Images of the batch."),
    "completed": _count("Images that were tagged."),
    "failed": _count("Images that failed."),
}
_CANCELLED: Schema = {"cancelled": _count("Images that were cancelled; left out when there are none.")}
_JOB_HEAD: Schema = {"job_id": _JOB_ID, "status": ref("Status"), **_COUNTS, "progress": _PROGRESS}
_JOB_TIMES: Schema = {
    "created_at": _time("When the batch was accepted."),
    "updated_at": _time("When it last changed."),
}
_OUTCOME: Schema = {"outcome": ref("Outcome")}
_RETRY_OF: Schema = {
    "retry_of": _text("The job whose failed images it tries again; its time may be over.", format="uuid")
}
_JOB_MORE: Schema = {
    **_OUTCOME,
    **_CANCELLED,
    **_RETRY_OF,
    "started_at": _time("When work on its first image began."),
    "cancelled_at": _time("When it was cancelled."),
    "completed_at": _time("When its last image ended."),
}


def _new_batch(intake: IntakeSettings) -> Schema:
    images = _list_of("NewImage", minItems=1, maxItems=intake.max_images)
    return {**_object({"images": images}, {"options": ref("Options")}), "additionalProperties": False}


def _batch_form(intake: IntakeSettings) -> Schema:
    image = {"contentMediaType": "image/*"}
    images = {
        "type": "array",
        "items": image,
        "minItems": 1,
        "maxItems": intake.max_images,
        "description": "Parts with a file name, in order; by any other field name they are images as well.",
    }
    names = {
        "type": "array",
        "items": {"type": "string", "maxLength": 4096},
        "maxItems": intake.max_images,
        "description": "What the images are called, in their order, if not by their files: none, or one for each.",
    }
    optional = {"name": names, "options": options_as_json()}
    return {**_object({"images": images}, optional), "additionalProperties": image}


def _options() -> Schema:
    word = {"type": "string", "enum": list(FieldPolicy)}
    metadata = _object(
        {},
        {"title": word, "description": word, "keywords": word},
        "What becomes of the title, description and keywords that an image has already, by these names. replace: the "
        "new ones stand in their place. append: the new ones are added, none twice. keep: they stay, and new ones are "
        "written only where there were none. One that is left out: as this gateway is set.",
    )
    options = _object(
        {}, {"metadata": {**metadata, "additionalProperties": False}}, "For all images of the batch."
    )
    return {**options, "additionalProperties": False}


def _new_image(intake: IntakeSettings) -> Schema:
    properties = {
        "url": _text("Where to download the image: http or https, a public address.", format="uri"),
        "base64": _text(
            "The image's bytes as base64, with or without a data URI prefix; "
            f"at most {intake.max_image_bytes} bytes once decoded."
        ),
        "name": _text("What the image is called; by default the last part of the URL, else image-<index>."),
    }
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "oneOf": [{"required": ["url"]}, {"required": ["base64"]}],
        "description": "One image, JPEG or PNG by content: either url or base64.",
    }


def _retry(intake: IntakeSettings) -> Schema:
    images = {
        "type": "array",
        "items": {"type": "integer", "minimum": 0},
        "minItems": 1,
        "maxItems": intake.max_images,
        "uniqueItems": True,
        "description": "Which images by their index, in the order that they will have; without it, all that failed.",
    }
    return {**_object({}, {"images": images}), "additionalProperties": False}


def _created_batch() -> Schema:
    required = {
        "job_id": _JOB_ID,
        "status": ref("Status"),
        "created_at": _time("When the batch was accepted."),
        "message": _text("For a person.", examples=["Batch job created with 2 images"]),
    }
    return _object(required, _RETRY_OF)


def _summary() -> Schema:
    return _object({**_JOB_HEAD, **_JOB_TIMES}, _JOB_MORE, "A batch without its images.")


def _batch() -> Schema:
    images = _list_of("Image", description="All images, in the order in which they were sent.")
    optional = {"options": ref("Options"), **_JOB_MORE}
    return _object({**_JOB_HEAD, "images": images, **_JOB_TIMES}, optional, "A batch with its images.")


def _page() -> Schema:
    jobs = {"type": "array", "items": {"anyOf": [ref("Batch"), ref("BatchSummary")]}}
    return _object(
        {"jobs": {**jobs, "description": "Newest first."}, "total": _count("All that match, on all pages.")},
        {"next_cursor": _NEXT_CURSOR},
    )


def _image_page() -> Schema:
    return _object(
        {
            "images": _list_of("FoundImage", description="Those of the newest batch first."),
            "total": _count("All that match, on all pages."),
        },
        {"next_cursor": _NEXT_CURSOR},
    )


def _image() -> Schema:
    return _object(*_image_fields(), "A field with no value is left out.")


def _found_image() -> Schema:
    required, optional = _image_fields()
    return _object({"job_id": _JOB_ID, **required}, optional, "An image, and the batch that it is of.")


def _image_fields() -> tuple[Schema, Schema]:
    """Those that are always there, and those that may be."""
    required: Schema = {
        "index": _count("Its place in the batch, from 0."),
        "original_filename": _text("What it is called, as the client gave it."),
        "status": ref("Status"),
        "trace_id": _text("Its name in messages and logs; never changes."),
    }
    codes = ", ".join(FAILURE_CODES)
    optional: Schema = {
        "processed_path": _text("Key of the tagged image in the bucket of processed images."),
        "start_time": _time("When work on it began."),
        "end_time": _time("When it ended."),
        "error": _text("Why it failed, for a person."),
        "code": _text(f"Why it failed, as a stable word: {codes}; more may come."),
        "metadata": ref("Metadata"),
        "sha256": _text("Of the original's bytes.", pattern="^[0-9a-f]{64}$"),
        "reused_from": _object(
            {"job_id": _JOB_ID, "index": _INDEX},
            description="The image of the same bytes that was analysed in its place; its job's time may be over.",
        ),
    }
    return required, optional


def _metadata() -> Schema:
    keywords = {"type": "array", "items": {"type": "string"}}
    return _object(
        {"title": _text(), "description": _text(), "keywords": keywords},
        {"writer": _text("Who wrote the description: an analyzer's name and version, or a person.")},
        description="What was written into the image.",
    )


def _dead_letter() -> Schema:
    required = {
        "id": _text("Its name: that of the attempt that it ended."),
        "job_id": _JOB_ID,
        "trace_id": _TRACE_ID,
        "attempt": _from_one("Which attempt of the image it ended."),
        "queue": _text("The queue in which the message was rejected."),
        "reason": _text("Why, as the analyzer says it; rejected, where it says nothing."),
        "code": _text(f"Why, as a stable word: {', '.join(ANALYSIS_CODES)}; more may come."),
        "count": _from_one("How often the message was rejected there."),
        "at": _time("When it was found."),
        "body": {"type": "object", "additionalProperties": True, "description": "The message itself."},
    }
    return _object(required, {"index": _INDEX}, "Without index the batch was gone already.")


def _dead_letter_page() -> Schema:
    return _object(
        {
            "dead_letters": _list_of("DeadLetter", description="Newest first."),
            "total": _count("All, on all pages."),
        },
        {"next_cursor": _NEXT_CURSOR},
    )


def _sent_again() -> Schema:
    attempt = _from_one("The attempt that it waits for.")
    return _object({"job_id": _JOB_ID, "index": _INDEX, "trace_id": _TRACE_ID, "attempt": attempt})


def _from_one(description: str) -> Schema:
    return {"type": "integer", "minimum": 1, "description": description}


def _frame() -> Schema:
    required = {
        "type": {
            "type": "string",
            "enum": list(EventType),
            "description": "image_complete: an image ended. job_complete: the last frame.",
        },
        **_JOB_HEAD,
        "timestamp": _time("When it happened."),
        "id": _text("The event's position, for ?after= when you come back."),
    }
    return _object(
        required, {**_OUTCOME, **_CANCELLED, "image": ref("Image")}, "One text frame of the WebSocket."
    )


def _readiness() -> Schema:
    check = _object({"status": {"enum": ["ok", "failing"]}, "detail": _text()})
    return _object(
        {
            "status": {"enum": ["ready", "not_ready"]},
            "checks": _object({"object_store": check, "broker": check, "job_store": check}),
            "warnings": {"type": "array", "items": {"type": "string"}},
        }
    )


def _problem() -> Schema:
    required = {
        "type": _text("Always about:blank: see code.", format="uri-reference"),
        "title": _text("The status code in words."),
        "status": {"type": "integer", "description": "The status code."},
        "detail": _text("What was wrong, and where."),
        "error": _text("The same, as older clients read it."),
        "code": _text("What was wrong, as a stable word."),
    }
    optional = {
        "errors": _list_of("Fault", description="Everything that was wrong, with its place."),
        "request_id": _text("On 500: under which the log has more."),
    }
    return _object(required, optional, "RFC 9457.")


def _fault() -> Schema:
    return _object(
        {"pointer": _text("JSON pointer (RFC 6901) into the request."), "code": _text(), "detail": _text()}
    )
