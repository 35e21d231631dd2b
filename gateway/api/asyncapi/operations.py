"""Who sends what: `send` is the gateway's doing, `receive` the client's."""

from collections.abc import Iterable

from gateway.api.asyncapi.channels import (
    JOB,
    JOB_EVENTS,
    JOB_RESULTS,
    MANY_JOBS,
    NEW_JOB_EVENTS,
    RETRIED_JOB_EVENTS,
    Channel,
)
from gateway.api.asyncapi.messages import ERROR, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, Message
from gateway.api.schemas.building import Schema


def operations() -> Schema:
    return {
        "followJob": _send(JOB, "Follow a job by WebSocket"),
        "followJobEvents": {
            **_send(JOB_EVENTS, "Follow a job by server-sent events"),
            "bindings": JOB_EVENTS.http_binding(),
        },
        "followNewJob": {
            **_send(NEW_JOB_EVENTS, "Send a batch and follow it in one request"),
            "bindings": NEW_JOB_EVENTS.http_binding("POST"),
        },
        "followRetriedJob": {
            **_send(RETRIED_JOB_EVENTS, "Try images again and follow them in one request"),
            "bindings": RETRIED_JOB_EVENTS.http_binding("POST"),
        },
        "followResults": {
            **_send(JOB_RESULTS, "Get the images of a job as they end"),
            "bindings": JOB_RESULTS.http_binding(),
        },
        "followJobs": _send(MANY_JOBS, "Follow many jobs by one WebSocket"),
        "subscribe": _receive(
            SUBSCRIBE, "Follow one more job, or the list of all", answers=(SUBSCRIBED, ERROR)
        ),
        "unsubscribe": _receive(UNSUBSCRIBE, "Follow it no more", answers=(UNSUBSCRIBED, ERROR)),
    }


def _send(channel: Channel, summary: str) -> Schema:
    return {"action": "send", "summary": summary, **_on(channel, channel.sent)}


def _receive(message: Message, summary: str, *, answers: Iterable[Message]) -> Schema:
    return {
        "action": "receive",
        "summary": summary,
        **_on(MANY_JOBS, (message,)),
        "reply": _on(MANY_JOBS, answers),
    }


def _on(channel: Channel, messages: Iterable[Message]) -> Schema:
    """A channel, and messages of it, which must be referred to as the channel's own."""
    place = f"#/channels/{channel.key}"
    return {
        "channel": {"$ref": place},
        "messages": [{"$ref": f"{place}/messages/{message.key}"} for message in messages],
    }
