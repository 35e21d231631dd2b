"""Where settings come from: a TOML file, and `GATEWAY_<SECTION>_<KEY>`.

A source gives what it found, each value with its origin in words; it judges names, not values.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import fields, frozen, has, resolve_types

from gateway.errors import BadInput
from gateway.settings.values import Kind, from_text

PREFIX = "GATEWAY_"
OTHER_GATEWAY_NAMES = frozenset({"GATEWAY_URL"})
"""Read by `gateway submit`."""
SERVICE_LINK = re.compile(
    r"GATEWAY_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)=.*"
    r"|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    r"|PORT=(tcp|udp|sctp)://.*)",
    re.DOTALL,
)
"""Kubernetes sets these in every container beside a service called `gateway`, or `gateway-rabbitmq`."""


class SettingsError(BadInput):
    """The gateway can't start so. The text is for its operator: it names the setting, its origin and what is wrong."""

    default_code = "bad_settings"


@frozen
class Given:
    value: Any
    origin: str


def known_keys(cls: type, prefix: str = "") -> dict[str, Kind]:
    """Every setting by its dotted path, in order."""
    found: dict[str, Kind] = {}
    for attribute in fields(resolve_types(cls)):
        path = prefix + attribute.name
        if has(attribute.type):
            found |= known_keys(attribute.type, f"{path}.")
        else:
            found[path] = Kind.of(attribute)
    return found


def from_file(path: Path, keys: Mapping[str, Kind]) -> dict[str, Given]:
    """Raises SettingsError when the file can't be read, is no TOML, or holds a key that nobody knows."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    return {key: Given(value, str(path)) for key, value in _flat(tables, keys, path, "")}


def from_environment(environ: Mapping[str, str], keys: Mapping[str, Kind]) -> dict[str, Given]:
    """What `GATEWAY_*` says. Raises SettingsError for a name that nobody knows."""
    paths = {variable_name(path): path for path in keys}
    found = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in OTHER_GATEWAY_NAMES:
            continue
        if SERVICE_LINK.fullmatch(f"{name}={environ[name]}"):
            continue
        if name not in paths:
            raise SettingsError(f"{name}: there is no such setting{_did_you_mean(name, paths)}")
        found[paths[name]] = Given(from_text(keys[paths[name]], environ[name]), name)
    return found


def variable_name(path: str) -> str:
    return PREFIX + path.replace(".", "_").upper()


def _flat(
    table: Mapping[str, Any], keys: Mapping[str, Kind], file: Path, prefix: str
) -> Iterator[tuple[str, Any]]:
    where = f"{file}, [{prefix.rstrip('.')}]" if prefix else f"{file}"
    for name, value in table.items():
        path = prefix + name
        is_section = any(key.startswith(f"{path}.") for key in keys)
        if path in keys:
            yield path, value
        elif is_section and isinstance(value, dict):
            yield from _flat(value, keys, file, f"{path}.")
        elif is_section:
            raise SettingsError(f"{where}: {name} is a table of settings, not a value")
        else:
            siblings = {key[len(prefix) :].partition(".")[0] for key in keys if key.startswith(prefix)}
            kind = "table" if isinstance(value, dict) else "setting"
            raise SettingsError(f"{where}: there is no {kind} {name!r}{_did_you_mean(name, siblings)}")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""
