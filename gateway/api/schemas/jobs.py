"""Jobs, with their images and without."""

from gateway.api.schemas.building import Schema, an_object, list_of, ref, text, time
from gateway.api.schemas.fields import CANCELLED, JOB_HEAD, NEXT_CURSOR, OUTCOME, RETRY_OF, TOTAL
from gateway.domain.job import Outcome, Status

_TIMES: Schema = {
    "created_at": time("When the batch was accepted."),
    "updated_at": time("When it last changed."),
}
_MORE: Schema = {
    **OUTCOME,
    **CANCELLED,
    **RETRY_OF,
    "started_at": time("When work on its first image began."),
    "cancelled_at": time("When it was cancelled."),
    "completed_at": time("When its last image ended."),
}


_POSITION: Schema = {"id": text("Position of the newest event, to go on behind it by after.")}


def job_schemas() -> Schema:
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
        "BatchSummary": _summary(),
        "Batch": _batch(),
        "BatchPage": _page(),
    }


def _summary() -> Schema:
    return an_object({**JOB_HEAD, **_TIMES}, _MORE, "A batch without its images.")


def _batch() -> Schema:
    images = list_of("Image", description="All images, in the order in which they were sent.")
    optional = {"options": ref("Options"), **_MORE}
    return an_object(
        {**JOB_HEAD, "images": images, **_TIMES, **_POSITION}, optional, "A batch with its images."
    )


def _page() -> Schema:
    jobs = {"type": "array", "items": {"anyOf": [ref("Batch"), ref("BatchSummary")]}}
    return an_object(
        {"jobs": {**jobs, "description": "Newest first."}, "total": TOTAL},
        {"next_cursor": NEXT_CURSOR},
    )
