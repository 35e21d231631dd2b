"""Documents made strict: what they do not name is not allowed, so that a field which they forget is found."""

from typing import Any


def closed(schema: Any) -> Any:
    """The document with every object of it forbidding what it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(inner.get("properties"), dict) and inner.get("type") == "object":
        inner.setdefault("additionalProperties", False)
    return inner
