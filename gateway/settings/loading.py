"""Settings from all their sources, in the order: defaults, file, `GATEWAY_*`, the names of existing deployments.

Own code and not typed-settings, which says neither that a variable's name is unknown nor where a value came from.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import AttrsInstance, fields, frozen, has, resolve_types

from gateway.settings.composed import Role, Settings
from gateway.settings.existing_names import from_existing_names
from gateway.settings.mode import defaults_of_mode
from gateway.settings.sources import (
    Given,
    SettingsError,
    from_environment,
    from_file,
    known_keys,
)
from gateway.settings.values import Kind, NotExpected, masked, read, without_password

T = TypeVar("T", bound=AttrsInstance)

MAX_SHOWN = 80
_ATTRS_MESSAGE = re.compile(r"'(\w+)' (must .*?)(?:: .*)?", re.DOTALL)


@frozen
class LoadedSettings:
    """The settings, and where those that are not defaults came from, by dotted path."""

    settings: Settings
    origins: Mapping[str, str]


def load(config: Path | None, environ: Mapping[str, str], role: Role | None = None) -> LoadedSettings:
    """The effective settings, of the gateway or of a worker.

    Raises SettingsError for the first thing that is unknown or wrong.
    """
    keys = known_keys(Settings)
    said = from_environment(environ, keys)
    given = from_file(config, keys) if config else defaults_of_mode(environ, said)
    given |= said
    given |= from_existing_names(environ, keys, role)
    settings = _build(Settings, given, keys, prefix="")
    return LoadedSettings(settings, {path: found.origin for path, found in given.items()})


def _build(cls: type[T], given: Mapping[str, Given], keys: Mapping[str, Kind], prefix: str) -> T:
    """The class with what is given for it, its sections within."""
    values: dict[str, Any] = {}
    for attribute in fields(resolve_types(cls)):
        path = prefix + attribute.name
        if has(attribute.type):
            values[attribute.name] = _build(attribute.type, given, keys, f"{path}.")
        elif path in given:
            values[attribute.name] = _read(path, keys[path], given[path])
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise _blame(cls, values, given, keys, prefix, error) from error


def _read(path: str, kind: Kind, given: Given) -> Any:
    try:
        return read(kind, given.value)
    except NotExpected as error:
        raise _wrong(path, kind, given, f"expected {error}") from error


def _blame(
    cls: type[AttrsInstance],
    values: Mapping[str, Any],
    given: Mapping[str, Given],
    keys: Mapping[str, Kind],
    prefix: str,
    error: Exception,
) -> SettingsError:
    """The value that its class refuses in the same words when it stands alone; else the section as a whole."""
    for name, value in values.items():
        path = prefix + name
        if path in given and str(_refusal(cls, name, value)) == str(error):
            return _wrong(path, keys[path], given[path], _in_words(error))
    return SettingsError(f"[{prefix.rstrip('.')}]: {_in_words(error)}")


def _refusal(cls: type[AttrsInstance], name: str, value: Any) -> Exception | None:
    try:
        cls(**{name: value})
    except (ValueError, TypeError) as error:
        return error
    return None


def _in_words(error: Exception) -> str:
    text = str(error.args[0]) if error.args else str(error)
    match = _ATTRS_MESSAGE.fullmatch(text)
    return match[2] if match else text


def _wrong(path: str, kind: Kind, given: Given, problem: str) -> SettingsError:
    shown = without_password(json.dumps(masked(kind, given.value), default=str, ensure_ascii=False))
    if len(shown) > MAX_SHOWN:
        shown = shown[:MAX_SHOWN] + "..."
    return SettingsError(f"{path} = {shown} (from {given.origin}): {without_password(problem)}")
