"""The news of a gateway as an AsyncAPI 3.0 document. Tests hold it to the specification and to real traffic."""

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, Final

from gateway.api.asyncapi.channels import CHANNELS, HTTP, WEBSOCKET
from gateway.api.asyncapi.messages import Message
from gateway.api.asyncapi.operations import operations
from gateway.api.paths import OPENAPI
from gateway.api.schemas.building import Schema, ref
from gateway.api.schemas.components import schemas
from gateway.intake.settings import IntakeSettings

_INTRODUCTION: Final = f"""\
How the jobs of a gateway go, told while they go. There are several doors with the same events and the same ids: the
state first, then every change, in order, with no gap. Who comes back names the id of the last event that was seen, and
goes on behind it, also after a restart of the gateway, and at any door.

A reader that is slow gets several changes as one: a newer state takes the place of an older one, and the end of an
image is never left out. Pass over events that you have seen. Fields, types of messages and codes may be added: pass
over what you do not know.

The calls are described at {OPENAPI} (OpenAPI 3.1).
"""
_SERVERS: Final[Schema] = {
    WEBSOCKET: {"protocol": "ws", "description": "wss behind a proxy that speaks TLS."},
    HTTP: {"protocol": "http", "description": "https behind a proxy that speaks TLS."},
}
_HOST: Final[Schema] = {
    "host": "{host}",
    "variables": {"host": {"default": "127.0.0.1:8080", "description": "Where this gateway is."}},
}


def document(intake: IntakeSettings) -> dict[str, Any]:
    """The whole document."""
    messages = dict.fromkeys(message for channel in CHANNELS for message in channel.messages)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Batch gateway",
            "version": version("batch-gateway"),
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {name: {**server, **_HOST} for name, server in _SERVERS.items()},
        "channels": {channel.key: channel.described() for channel in CHANNELS},
        "operations": operations(),
        "components": {
            "messages": {message.key: message.described() for message in messages},
            "schemas": _shapes(intake, messages),
            "parameters": {"job_id": {"description": "The job, as the answer to the new batch names it."}},
        },
    }


def _shapes(intake: IntakeSettings, messages: Iterable[Message]) -> Schema:
    """Those that a message has, and those that these have in turn."""
    known = schemas(intake)
    needed: set[str] = set()
    found = [message.shape for message in messages]
    while found:
        name = found.pop()
        if name not in needed:
            needed.add(name)
            found += _references(known[name])
    return {name: shape for name, shape in known.items() if name in needed}


def _references(schema: Any) -> Iterator[str]:
    """The names of the shapes that are referred to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(ref("")["$ref"])
        for inner in schema.values():
            yield from _references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)
