"""The events of one job, as all doors send them."""

from gateway.api.schemas.building import Schema, an_object, list_of, ref, time
from gateway.api.schemas.fields import (
    CANCELLED,
    HEARTBEAT_S,
    JOB_HEAD,
    JOB_ID,
    OUTCOME,
    POSITION,
    RESUMED,
)
from gateway.api.schemas.images import image_fields
from gateway.domain.events import EventType


def event_schemas() -> Schema:
    return {
        "Event": {
            "oneOf": [ref("Opening"), ref("Progress"), ref("ImageComplete"), ref("JobComplete")],
            "description": "An event of a job.",
        },
        "Opening": _opening(),
        "Progress": _progress(),
        "ImageComplete": _event(
            EventType.IMAGE_COMPLETE, {"image": ref("Image")}, {}, "An image ended. None is left out."
        ),
        "JobComplete": _event(EventType.JOB_COMPLETE, OUTCOME, {}, "The last event of a job."),
        "JobHeartbeat": an_object(
            {"type": {"const": "heartbeat"}, "job_id": JOB_ID, "timestamp": time("Now.")},
            description="A sign of life. It has no id, for it is no event.",
        ),
        "Result": _result(),
    }


def _opening() -> Schema:
    images = list_of(
        "Image", description="All images, where they were asked for and this is the present state."
    )
    return _event(
        EventType.PROGRESS,
        {"resumed": RESUMED, "heartbeat_s": HEARTBEAT_S},
        {"images": images},
        "The first message of a subscription to a job.",
    )


def _progress() -> Schema:
    """Shapes leave room for further fields, so it has to be said that an opening is none of these."""
    shape = _event(EventType.PROGRESS, {}, {}, "Something changed that is no end.")
    return {**shape, "not": {"required": ["resumed"]}}


def _event(event_type: EventType, required: Schema, optional: Schema, description: str) -> Schema:
    head = {
        "type": {"const": str(event_type)},
        **JOB_HEAD,
        "timestamp": time("When it happened."),
        "id": POSITION,
    }
    return an_object({**head, **required}, {**CANCELLED, **optional}, description)


def _result() -> Schema:
    required, optional = image_fields()
    return an_object({"id": POSITION, **required}, optional, "An image that has ended, as one line.")
