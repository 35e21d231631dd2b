"""The effective settings as TOML, each with its origin as a comment.

What it prints can be loaded again, except for secrets, which stand there masked and commented out.
"""

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

from attrs import Attribute, fields, has

from gateway.settings.loading import LoadedSettings
from gateway.settings.values import Kind, masked, without_password


def describe(loaded: LoadedSettings) -> str:
    return "\n".join(_table(loaded.settings, loaded, "")) + "\n"


def _table(values: Any, loaded: LoadedSettings, prefix: str) -> Iterator[str]:
    """A class's own keys, then its sections: TOML wants them in this order."""
    plain = [attribute for attribute in fields(type(values)) if not has(attribute.type)]
    for attribute in plain:
        path = prefix + attribute.name
        yield _line(attribute, getattr(values, attribute.name), loaded.origins.get(path, "default"))
    for attribute in fields(type(values)):
        if attribute not in plain:
            yield from ("", f"[{prefix}{attribute.name}]")
            yield from _table(getattr(values, attribute.name), loaded, f"{prefix}{attribute.name}.")


def _line(attribute: "Attribute[Any]", value: Any, origin: str) -> str:
    name, comment = attribute.name, f"# {_one_line(origin)}"
    if value is None:
        return f"# {name} is not set  {comment}"
    shown = without_password(_toml(masked(Kind.of(attribute), value)))
    return f"{'' if shown == _toml(value) else '# '}{name} = {shown}  {comment}"


def _toml(value: Any) -> str:
    if isinstance(value, Enum):
        return _toml(value.value)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value).encode("utf-8", "replace").decode()
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
