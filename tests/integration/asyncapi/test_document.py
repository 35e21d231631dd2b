"""The document is one of AsyncAPI 3.0.0: what the named sections of the specification ask for is there.

https://www.asyncapi.com/docs/reference/specification/v3.0.0; bindings: https://github.com/asyncapi/bindings.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen
from jsonschema import Draft7Validator

from gateway.api.live.close_codes import CATALOGUE
from tests.integration.asyncapi.reading import document_of, references, resolved
from tests.integration.openapi.asking import document_of as openapi_of
from tests.servers.quiet_gateway import QuietGateway


@frozen
class Fields:
    """The fixed fields of an object of the specification."""

    required: frozenset[str]
    others: frozenset[str]

    @classmethod
    def of(cls, required: str, others: str) -> "Fields":
        return cls(frozenset(required.split()), frozenset(others.split()))


SPECIFICATION = {
    "AsyncAPI Object": Fields.of(
        "asyncapi info", "id servers defaultContentType channels operations components"
    ),
    "Info Object": Fields.of("title version", "description termsOfService contact license tags externalDocs"),
    "License Object": Fields.of("name", "url"),
    "Server Object": Fields.of(
        "host protocol",
        "protocolVersion pathname description title summary variables security tags externalDocs bindings",
    ),
    "Server Variable Object": Fields.of("", "enum default description examples"),
    "Channel Object": Fields.of(
        "", "address messages title summary description servers parameters tags externalDocs bindings"
    ),
    "Parameter Object": Fields.of("", "enum default description examples location"),
    "Operation Object": Fields.of(
        "action channel",
        "title summary description security tags externalDocs bindings traits messages reply",
    ),
    "Operation Reply Object": Fields.of("", "address channel messages"),
    "Message Object": Fields.of(
        "",
        "headers payload correlationId contentType name title summary description tags externalDocs bindings examples "
        "traits",
    ),
    "Message Example Object": Fields.of("", "headers payload name summary"),
    "Components Object": Fields.of(
        "",
        "schemas servers channels operations messages securitySchemes serverVariables parameters correlationIds "
        "replies replyAddresses externalDocs tags operationTraits messageTraits serverBindings channelBindings "
        "operationBindings messageBindings",
    ),
    "WebSockets Channel Binding Object": Fields.of("", "method query headers bindingVersion"),
    "HTTP Operation Binding Object": Fields.of("", "method query bindingVersion"),
}


def objects_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each object with its kind and where it stands; references are followed elsewhere."""
    yield "AsyncAPI Object", "", document
    yield "Info Object", "info", document["info"]
    yield "License Object", "info/license", document["info"]["license"]
    for name, server in document["servers"].items():
        yield "Server Object", name, server
        yield from each("Server Variable Object", server["variables"])
    yield from each("Channel Object", document["channels"])
    yield from parts("WebSockets Channel Binding Object", document["channels"], "bindings", "ws")
    yield from each("Operation Object", document["operations"])
    yield from parts("Operation Reply Object", document["operations"], "reply")
    yield from parts("HTTP Operation Binding Object", document["operations"], "bindings", "http")
    components = document["components"]
    yield "Components Object", "components", components
    yield from each("Parameter Object", components["parameters"])
    yield from each("Message Object", components["messages"])
    for name, message in components["messages"].items():
        yield "Message Example Object", name, message["examples"][0]


def each(kind: str, values: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    return ((kind, name, value) for name, value in values.items())


def parts(kind: str, owners: dict[str, Any], *path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What stands below that path in those that have it."""
    for name, owner in owners.items():
        if path[0] in owner:
            part = owner
            for step in path:
                part = part[step]
            yield kind, f"{name}/{'/'.join(path)}", part


def wrong_fields(document: dict[str, Any]) -> list[str]:
    """Fields that are missing, or that the specification does not know; extensions may be called x-..."""
    found = []
    for kind, place, value in objects_of(document):
        fields = SPECIFICATION[kind]
        names = {name for name in value if not name.startswith("x-")}
        found += [f"{kind} {place}: no {name}" for name in fields.required - names]
        found += [f"{kind} {place}: {name} is unknown" for name in names - fields.required - fields.others]
    return found


async def test_each_object_has_the_fields_of_the_specification_and_no_others(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    assert document["asyncapi"] == "3.0.0"
    assert wrong_fields(document) == []


async def test_every_reference_leads_to_something(gateway: QuietGateway) -> None:
    """Reference Object."""
    document = await document_of(gateway)
    found = list(references(document))
    assert len(found) > 50
    for reference in found:
        assert isinstance(resolved(document, reference), dict)


async def test_all_that_is_kept_for_reference_is_referred_to(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    named = {reference["$ref"] for reference in references(document)}
    kept = {f"#/components/{kind}/{name}" for kind, items in document["components"].items() for name in items}
    assert kept - named == set()


async def test_names_of_components_are_such_that_references_can_name_them(gateway: QuietGateway) -> None:
    """Components Object."""
    document = await document_of(gateway)
    names = [name for items in document["components"].values() for name in items]
    assert [name for name in names if not re.fullmatch(r"[a-zA-Z0-9.\-_]+", name)] == []


async def test_what_is_left_open_in_a_host_or_an_address_is_described(gateway: QuietGateway) -> None:
    """Server Object, `variables`; Channel Object, `parameters`."""
    document = await document_of(gateway)
    for server in document["servers"].values():
        assert set(re.findall(r"{(\w+)}", server["host"])) == set(server["variables"])
    for channel in document["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel.get("parameters", {}))


async def test_channels_are_on_servers_of_the_document(gateway: QuietGateway) -> None:
    """Channel Object, `servers`: references into the Servers Object at the root, not into components."""
    document = await document_of(gateway)
    servers = {f"#/servers/{name}" for name in document["servers"]}
    for channel in document["channels"].values():
        assert {server["$ref"] for server in channel["servers"]} <= servers


async def test_a_channel_is_bound_to_the_protocol_of_its_server(gateway: QuietGateway) -> None:
    """AsyncAPI binds WebSocket at the channel and HTTP at the operation."""
    document = await document_of(gateway)
    for name, channel in document["channels"].items():
        (server,) = channel["servers"]
        protocol = resolved(document, server)["protocol"]
        operations = [
            one for one in document["operations"].values() if one["channel"]["$ref"] == f"#/channels/{name}"
        ]
        assert operations
        if protocol == "ws":
            assert set(channel["bindings"]) == {"ws"}
        else:
            assert protocol == "http"
            assert [set(one["bindings"]) for one in operations] == [{"http"}] * len(operations)


async def test_operations_are_on_messages_of_their_channel(gateway: QuietGateway) -> None:
    """Operation Object and Operation Reply Object, `messages`: a subset of the channel's, referred to there."""
    document = await document_of(gateway)
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        for part in (operation, *([operation["reply"]] if "reply" in operation else [])):
            own = f"{part['channel']['$ref']}/messages/"
            assert own.startswith("#/channels/")
            assert part["messages"]
            assert all(message["$ref"].startswith(own) for message in part["messages"])


async def test_every_message_of_a_channel_is_sent_by_one_side(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    told = {
        message["$ref"] for operation in document["operations"].values() for message in operation["messages"]
    }
    assert told == {
        f"#/channels/{name}/messages/{key}"
        for name, channel in document["channels"].items()
        for key in channel["messages"]
    }


async def test_the_shapes_are_json_schema(gateway: QuietGateway) -> None:
    """Schema Object: a superset of JSON Schema draft 7; texts of binary content are ours alone."""
    document = await document_of(gateway)
    for shape in document["components"]["schemas"].values():
        Draft7Validator.check_schema(shape)
    for binding in bindings(document):
        query = binding["query"]
        Draft7Validator.check_schema(query)
        assert query["type"] == "object"
        assert query["properties"]


async def test_each_example_has_the_shape_of_its_message(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    for name, message in document["components"]["messages"].items():
        shape = {**message["payload"], "components": document["components"]}
        assert message["examples"], name
        for example in message["examples"]:
            Draft7Validator(shape).validate(example["payload"])


async def test_a_shape_that_the_api_has_as_well_is_the_same_there(gateway: QuietGateway) -> None:
    told = (await document_of(gateway))["components"]["schemas"]
    asked = (await openapi_of(gateway))["components"]["schemas"]
    assert {name: asked[name] for name in told} == told


async def test_its_addresses_are_paths_of_the_api(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    paths = (await openapi_of(gateway))["paths"]
    assert {channel["address"] for channel in document["channels"].values()} - set(paths) == set()


async def test_what_an_address_may_be_asked_with_is_in_the_api_as_well(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    paths = (await openapi_of(gateway))["paths"]
    for address, method, query in asked_with(document):
        parameters = paths[address][method.lower()]["parameters"]
        assert {one["name"] for one in parameters if one["in"] == "query"} == set(query)


async def test_each_channel_by_websocket_has_every_close_code(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    sockets = [channel for channel in document["channels"].values() if "ws" in channel.get("bindings", {})]
    assert len(sockets) == 2
    for channel in sockets:
        told = {close["code"]: close["come_back"] for close in channel["x-close-codes"]}
        assert told == {code: close.come_back for code, close in CATALOGUE.items()}


async def test_its_texts_hold_no_markup(gateway: QuietGateway) -> None:
    assert "`" not in json.dumps(await document_of(gateway))


@pytest.mark.parametrize(
    "place", ["info", "channels/job", "operations/followJob", "components/messages/jobs"]
)
async def test_the_check_finds_a_field_that_the_specification_does_not_know(
    gateway: QuietGateway, place: str
) -> None:
    document = await document_of(gateway)
    resolved(document, {"$ref": f"#/{place}"})["adress"] = ""
    assert any("adress is unknown" in wrong for wrong in wrong_fields(document))


def bindings(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that say what may be asked."""
    found = [channel["bindings"]["ws"] for channel in document["channels"].values() if "bindings" in channel]
    found += [one["bindings"]["http"] for one in document["operations"].values() if "bindings" in one]
    return [binding for binding in found if "query" in binding]


def asked_with(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Addresses that take parameters, with the method, and what they are."""
    for channel in document["channels"].values():
        binding = channel.get("bindings", {}).get("ws", {})
        if "query" in binding:
            yield channel["address"], binding["method"], binding["query"]["properties"]
    for operation in document["operations"].values():
        binding = operation.get("bindings", {}).get("http", {})
        if "query" in binding:
            address = resolved(document, operation["channel"])["address"]
            yield address, binding["method"], binding["query"]["properties"]
