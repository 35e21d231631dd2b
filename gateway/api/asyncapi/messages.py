"""The messages, each with its shape and an example."""

from collections.abc import Iterable
from typing import Any, Final

from attrs import frozen

from gateway.api.asyncapi.examples import EXAMPLES
from gateway.api.schemas.building import Schema, ref


@frozen
class Message:
    """`key` names it in this document, `shape` its payload; `type` is how it says itself what it is, if it does."""

    key: str
    shape: str
    title: str
    type: str | None = None

    def described(self) -> Schema:
        message: Schema = {
            "name": self.type or self.key,
            "title": self.title,
            "contentType": "application/json",
            "payload": ref(self.shape),
            "examples": [{"payload": EXAMPLES[self.key]}],
        }
        return message


OPENING: Final = Message(
    "opening", "Opening", "The state with which a subscription to a job begins", "progress"
)
PROGRESS: Final = Message("progress", "Progress", "Something changed that is no end", "progress")
IMAGE_COMPLETE: Final = Message("imageComplete", "ImageComplete", "An image ended", "image_complete")
JOB_COMPLETE: Final = Message("jobComplete", "JobComplete", "The job ended", "job_complete")
JOB_HEARTBEAT: Final = Message("jobHeartbeat", "JobHeartbeat", "Nothing to tell", "heartbeat")
RESULT: Final = Message("result", "Result", "An image that has ended")
SUBSCRIBE: Final = Message("subscribe", "Subscribe", "Follow a job, or the list of all", "subscribe")
UNSUBSCRIBE: Final = Message("unsubscribe", "Unsubscribe", "Follow it no more", "unsubscribe")
SUBSCRIBED: Final = Message("subscribed", "Subscribed", "It is followed", "subscribed")
UNSUBSCRIBED: Final = Message("unsubscribed", "Unsubscribed", "It is followed no more", "unsubscribed")
ERROR: Final = Message("error", "SubscriptionError", "Not understood, not followed, or over", "error")
HEARTBEAT: Final = Message("heartbeat", "Heartbeat", "Nothing to tell of any job", "heartbeat")
JOBS: Final = Message("jobs", "Jobs", "The list with which a subscription to all jobs begins", "jobs")
JOB_CHANGED: Final = Message("jobChanged", "JobChanged", "A job came in or changed", "job_changed")
JOB_DELETED: Final = Message("jobDeleted", "JobDeleted", "A job was deleted", "job_deleted")

EVENTS: Final = (OPENING, PROGRESS, IMAGE_COMPLETE, JOB_COMPLETE)
"""Of one job."""


def references(messages: Iterable[Message], place: str = "#/components/messages") -> dict[str, Any]:
    """To where they are described, or to what a channel has of them."""
    return {message.key: {"$ref": f"{place}/{message.key}"} for message in messages}
