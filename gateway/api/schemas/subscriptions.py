"""What a connection that follows many jobs says and hears besides the events of each."""

from typing import Final

from gateway.api.live.websocket.client_messages import ALL_JOBS
from gateway.api.schemas.building import Schema, an_object, count, ref, text, time
from gateway.api.schemas.fields import AFTER, HEARTBEAT_S, IMAGES, JOB_ID, RESUMED

CODES: Final = (
    "bad_message",
    "job_not_found",
    "already_subscribed",
    "not_subscribed",
    "too_many_subscriptions",
    "unavailable",
)
"""Of errors."""


def subscription_schemas() -> Schema:
    return {
        "Subscribe": _subscribe(),
        "Unsubscribe": an_object(
            {"type": {"const": "unsubscribe"}, "job_id": _ONE_OR_ALL}, {}, "Sent by the client."
        ),
        "Subscribed": an_object(
            {"type": {"const": "subscribed"}, "job_id": _ONE_OR_ALL, "heartbeat_s": HEARTBEAT_S},
            description="From now on the job's events come, its opening first.",
        ),
        "Unsubscribed": an_object(
            {"type": {"const": "unsubscribed"}, "job_id": _ONE_OR_ALL},
            description="No event of the job comes any more.",
        ),
        "SubscriptionError": _error(),
        "Heartbeat": an_object(
            {"type": {"const": "heartbeat"}, "timestamp": time("Now.")},
            description="There was nothing to tell of any job.",
        ),
        "Jobs": _jobs(),
        "JobChanged": an_object(
            {"type": {"const": "job_changed"}, "id": _POSITION, "job": ref("BatchSummary")},
            description="A job came in or changed. Of several changes the last alone may come.",
        ),
        "JobDeleted": an_object(
            {"type": {"const": "job_deleted"}, "id": _POSITION, "job_id": JOB_ID},
            description="A job's time was over.",
        ),
    }


_ONE_OR_ALL: Final[Schema] = {
    "anyOf": [JOB_ID, {"const": ALL_JOBS}],
    "description": f"The job; {ALL_JOBS} for the list of all jobs.",
}
_POSITION: Final = text("The change's place among the changes of all jobs, to go on behind it by after.")


def _subscribe() -> Schema:
    shape = an_object(
        {"type": {"const": "subscribe"}, "job_id": _ONE_OR_ALL},
        {"after": AFTER, "images": IMAGES},
        "Sent by the client. The list of all jobs has no images in it, so they can't be asked for there.",
    )
    images_of_all = {"job_id": {"const": ALL_JOBS}, "images": {"const": True}}
    return {**shape, "not": {"properties": images_of_all, "required": list(images_of_all)}}


def _error() -> Schema:
    return an_object(
        {
            "type": {"const": "error"},
            "code": text(f"What was wrong, as a stable word: {', '.join(CODES)}; more may come."),
            "error": text("What was wrong, for a person."),
        },
        {"job_id": text("The job, as the message named it that this answers, else in lower case.")},
        "A message that was not understood or not followed, or a subscription that is over.",
    )


def _jobs() -> Schema:
    jobs = {"type": "array", "items": ref("BatchSummary"), "description": "The newest, newest first."}
    return an_object(
        {
            "type": {"const": "jobs"},
            "job_id": {"const": ALL_JOBS},
            "id": _POSITION,
            "resumed": RESUMED,
            "heartbeat_s": HEARTBEAT_S,
        },
        {"jobs": jobs, "total": count("All jobs that are kept.")},
        "The first message about all jobs, and again when changes were lost to a slow reader. "
        "Without jobs where it goes on behind the change that was named.",
    )
