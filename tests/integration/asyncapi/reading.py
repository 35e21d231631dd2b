"""The document as a gateway gives it, and what its references lead to."""

from collections.abc import Iterator
from typing import Any

from tests.servers.quiet_gateway import QuietGateway


async def document_of(gateway: QuietGateway) -> dict[str, Any]:
    async with gateway.http.get("/api/v1/asyncapi.json") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        document: dict[str, Any] = await answer.json()
    return document


def resolved(document: dict[str, Any], value: Any) -> Any:
    """What a Reference Object leads to, over as many as there are; anything else as it is."""
    while isinstance(value, dict) and "$ref" in value:
        found: Any = document
        place = value["$ref"]
        assert place.startswith("#/"), place
        for part in place.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


def references(value: Any) -> Iterator[dict[str, Any]]:
    """All of a document."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
