"""What shapes are built of."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """To a shape by its name; OpenAPI and AsyncAPI keep theirs in the same place."""
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(
    required: Schema, optional: Mapping[str, Schema] | None = None, description: str = ""
) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }
    return {**schema, "description": description} if description else schema


def text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def from_one(description: str) -> Schema:
    return {"type": "integer", "minimum": 1, "description": description}


def time(description: str) -> Schema:
    return text(f"{description} RFC 3339, UTC.", format="date-time")


def list_of(name: str, **more: Any) -> Schema:
    return {"type": "array", "items": ref(name), **more}
