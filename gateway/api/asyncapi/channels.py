"""The doors by which news leave the gateway, and what comes through each."""

from typing import Final

from attrs import asdict, frozen

from gateway.api.asyncapi.messages import (
    ERROR,
    EVENTS,
    HEARTBEAT,
    JOB_CHANGED,
    JOB_DELETED,
    JOB_HEARTBEAT,
    JOBS,
    RESULT,
    SUBSCRIBE,
    SUBSCRIBED,
    UNSUBSCRIBE,
    UNSUBSCRIBED,
    Message,
    references,
)
from gateway.api.live.close_codes import CATALOGUE
from gateway.api.paths import BATCH, BATCHES, PREFIX
from gateway.api.schemas.building import Schema, an_object
from gateway.api.schemas.fields import AFTER, FOLLOW, IMAGES

WEBSOCKET: Final = "websocket"
HTTP: Final = "http"

_EVENT_STREAM: Final = (
    "An answer of type text/event-stream (server-sent events). The payload of a message is the data of an event, its "
    "type the name of the event, its id the id of the event; but the opening of a job that has ended has the id "
    "before, so that the end is still to come for who loses the connection. A heartbeat has none: what a browser names "
    "in Last-Event-ID is always an event. retry comes first, and again when the gateway stops. After jobComplete the "
    "answer ends."
)
_NEW: Final = (
    "The answer to a request that was sent with Accept: text/event-stream, which has the status 201 and a Location as "
    f"ever. {_EVENT_STREAM} The opening is the state before the first event. Who leaves stops nothing, and goes on at "
    "the events of the job."
)
_CLOSE_CODES: Final = (
    "x-close-codes has every code by which the gateway closes, and whether to come back. Of codes that are not there, "
    "1008, 1010 and those from 4500 on mean that it is of no use, all others that it is."
)
_QUERY: Final[Schema] = an_object({}, {"after": AFTER, "images": IMAGES})


@frozen(kw_only=True)
class Channel:
    """`sent` are the gateway's messages, `received` the client's, `query` what the address may be asked with."""

    key: str
    server: str
    address: str
    title: str
    description: str
    sent: tuple[Message, ...]
    received: tuple[Message, ...] = ()
    query: Schema | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.sent + self.received

    def described(self) -> Schema:
        channel: Schema = {
            "address": self.address,
            "title": self.title,
            "description": self.description,
            "servers": [{"$ref": f"#/servers/{self.server}"}],
            "messages": references(self.messages),
        }
        if "{job_id}" in self.address:
            channel["parameters"] = {"job_id": {"$ref": "#/components/parameters/job_id"}}
        if self.server == WEBSOCKET:
            channel["description"] += f" {_CLOSE_CODES}"
            channel["bindings"] = {"ws": self._binding("0.1.0")}
            channel["x-close-codes"] = [asdict(close) for close in CATALOGUE.values()]
        return channel

    def http_binding(self, method: str = "GET") -> Schema:
        """For its operation: AsyncAPI binds HTTP there, and WebSocket to the channel."""
        return {"http": self._binding("0.3.0", method)}

    def _binding(self, version: str, method: str = "GET") -> Schema:
        binding: Schema = {"method": method, "bindingVersion": version}
        return {**binding, "query": self.query} if self.query else binding


JOB: Final = Channel(
    key="job",
    server=WEBSOCKET,
    address=f"{BATCH}/ws",
    title="One job by WebSocket",
    description=(
        "One message a text frame. The opening comes first, then every change; after jobComplete the gateway closes "
        "with 1000. Each heartbeat_s without news it sends a ping, and a progress that repeats the present state and "
        "the id that was sent last: pass over what you have seen. What the client sends is not listened to."
    ),
    sent=EVENTS,
    query=_QUERY,
)
JOB_EVENTS: Final = Channel(
    key="jobEvents",
    server=HTTP,
    address=f"{BATCH}/events",
    title="One job by server-sent events",
    description=(
        f"{_EVENT_STREAM} Last-Event-ID counts more than after. Who names the last event of a job that has ended gets "
        "204, which keeps a browser from coming again."
    ),
    sent=(*EVENTS, JOB_HEARTBEAT),
    query=_QUERY,
)
NEW_JOB_EVENTS: Final = Channel(
    key="newJobEvents",
    server=HTTP,
    address=BATCHES,
    title="A new batch by server-sent events",
    description=_NEW,
    sent=(*EVENTS, JOB_HEARTBEAT),
)
RETRIED_JOB_EVENTS: Final = Channel(
    key="retriedJobEvents",
    server=HTTP,
    address=f"{BATCH}/retry",
    title="Images that are tried again, by server-sent events",
    description=_NEW,
    sent=(*EVENTS, JOB_HEARTBEAT),
)
JOB_RESULTS: Final = Channel(
    key="jobResults",
    server=HTTP,
    address=f"{BATCH}/results",
    title="The images of one job, as they end",
    description=(
        "An answer of type application/jsonl: one message a line, in the order in which the images end. An empty line "
        "is a heartbeat. Each line is a whole state: with an after that can't be gone on from they all come again."
    ),
    sent=(RESULT,),
    query=an_object({}, {"after": AFTER, "follow": FOLLOW}),
)
MANY_JOBS: Final = Channel(
    key="manyJobs",
    server=WEBSOCKET,
    address=f"{PREFIX}/ws",
    title="Many jobs, or the list of all, on one WebSocket",
    description=(
        "One message a text frame. The client subscribes and unsubscribes; each of these messages is answered by "
        "subscribed, unsubscribed or error. The messages of a job are those of its own WebSocket; jobComplete ends its "
        "subscription, and the connection stays. To a subscription to all jobs, *, jobs comes first, then jobChanged "
        "and jobDeleted. Each heartbeat_s without news the gateway sends a ping and a heartbeat."
    ),
    sent=(*EVENTS, SUBSCRIBED, UNSUBSCRIBED, ERROR, HEARTBEAT, JOBS, JOB_CHANGED, JOB_DELETED),
    received=(SUBSCRIBE, UNSUBSCRIBE),
)
CHANNELS: Final = (JOB, JOB_EVENTS, NEW_JOB_EVENTS, RETRIED_JOB_EVENTS, JOB_RESULTS, MANY_JOBS)
