"""One setting's value: from the text of a variable or from TOML to the type that its class asks for.

A key's last word is its unit: `_s` takes durations (`5s`, `500ms`, `10m`, `24h`, or seconds as a number), `_bytes`
takes sizes (`64MB`, or bytes as a number). As in the API's own limits, 1 MB is 1024 * 1024 bytes.
"""

import math
import re
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

from attrs import Attribute, frozen

MASK = "***"

_SECRET_NAME = re.compile(r"(.*_)?(secret|password|token|api_key|secret_key|access_key)")
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^\s\"'<>]*@")
"""Up to the last @: a password that is not escaped may hold an @ or a slash, and better too much is masked."""
_LOG_IN = re.compile(r"(\s*[a-z]+:/+)?.*@", re.IGNORECASE | re.DOTALL)
"""Likewise of a setting that is an address and nothing else: no character ends it, and it may be written wrong."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:iB|B)", re.IGNORECASE)
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_BOOLEANS = {
    "true": True,
    "t": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "f": False,
    "0": False,
    "no": False,
    "off": False,
}


class NotExpected(Exception):
    """The value is not what the setting takes; the text says what it takes."""


@frozen
class Kind:
    """What a setting takes: its type as the class declares it, and the name that carries its unit."""

    type: Any
    key: str
    is_secret: bool = False

    @classmethod
    def of(cls, attribute: "Attribute[Any]") -> Self:
        """A class marks a secret by `metadata={"secret": True}`; a telling name is enough."""
        is_secret = bool(attribute.metadata.get("secret") or _SECRET_NAME.fullmatch(attribute.name))
        return cls(attribute.type, attribute.name, is_secret)

    @property
    def is_optional(self) -> bool:
        return NoneType in self._alternatives

    @property
    def bare(self) -> Any:
        """The type without `| None`."""
        others = [kind for kind in self._alternatives if kind is not NoneType]
        return others[0] if len(others) == 1 else self.type

    @property
    def item(self) -> "Kind | None":
        """What the members of a list are; None when it is no list."""
        return Kind(get_args(self.bare)[0], self.key) if get_origin(self.bare) is tuple else None

    @property
    def choices(self) -> tuple[str, ...]:
        if get_origin(self.bare) is Literal:
            return tuple(map(str, get_args(self.bare)))
        if isinstance(self.bare, type) and issubclass(self.bare, Enum):
            return tuple(str(member.value) for member in self.bare)
        return ()

    @property
    def is_address(self) -> bool:
        return self.key in ("url", "endpoint")

    @property
    def is_duration(self) -> bool:
        return self.key.endswith("_s") and not self.key.endswith("_per_s")

    @property
    def is_size(self) -> bool:
        return self.key.endswith("_bytes")

    @property
    def expected(self) -> str:
        if self.item:
            return f"a list, each {self.item.expected}"
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.bare in (int, float) and self.is_duration:
            return "a duration like 5s, 500ms, 10m or 24h"
        if self.bare in (int, float) and self.is_size:
            return "a size like 64MB, or bytes as a number"
        return _EXPECTED.get(self.bare, "text")

    @property
    def _alternatives(self) -> tuple[Any, ...]:
        return get_args(self.type) if get_origin(self.type) in (Union, UnionType) else (self.type,)


_EXPECTED: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}


def masked(kind: Kind, value: Any) -> Any:
    """The value as it may be shown, without a secret that it is or holds."""
    if kind.is_secret and value:
        return MASK
    if kind.is_address and isinstance(value, str):
        return _LOG_IN.sub(lambda log_in: f"{log_in[1] or ''}{MASK}@", value, count=1)
    return value


def without_password(text: str) -> str:
    """The text with user and password of every URL in it masked."""
    return _PASSWORD_IN_URL.sub(f"{MASK}@", text)


def from_text(kind: Kind, text: str) -> Any:
    """What a variable's text would be in TOML; text that fits nothing stays text, for `read` to refuse."""
    if kind.item:
        parts = (part.strip() for part in text.split(","))
        return [from_text(kind.item, part) for part in parts if part]
    if kind.bare is bool:
        return _BOOLEANS.get(text.strip().lower(), text)
    if kind.bare in (int, float):
        return _number(text.strip())
    return text


def read(kind: Kind, value: Any) -> Any:
    """The value in the type that the class asks for. Raises NotExpected."""
    if kind.is_optional and value == "":
        return None
    found = _read_list(kind.item, value) if kind.item else _read_one(kind, value)
    if found is None:
        raise NotExpected(kind.expected)
    return found


def _read_list(item: Kind, value: Any) -> tuple[Any, ...] | None:
    members = [_read_one(item, member) for member in value] if isinstance(value, list) else [None]
    return None if None in members else tuple(members)


def _read_one(kind: Kind, value: Any) -> Any | None:
    """None when it does not fit."""
    wanted = kind.bare
    if kind.choices:
        return _choice(kind, value)
    if wanted is bool:
        return value if isinstance(value, bool) else None
    if wanted in (int, float):
        return _quantity(kind, value)
    if not isinstance(value, str) or "\0" in value:
        return None
    return _path(value) if wanted is Path else value


def _path(text: str) -> Path | None:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return None


def _choice(kind: Kind, value: Any) -> Any | None:
    chosen = next((choice for choice in kind.choices if choice == str(value).lower()), None)
    return chosen if chosen is None or get_origin(kind.bare) is Literal else kind.bare(chosen)


def _quantity(kind: Kind, value: Any) -> int | float | None:
    number = _with_unit(kind, value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not _is_finite(number):
        return None
    if kind.bare is float:
        return float(number)
    return int(number) if number == int(number) and not (isinstance(value, float)) else None


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _with_unit(kind: Kind, text: str) -> float | None:
    if kind.is_duration and (match := _DURATION.fullmatch(text.strip())):
        return float(match[1]) * _SECONDS[match[2]]
    if kind.is_size and (match := _SIZE.fullmatch(text.strip())):
        return float(match[1]) * _BYTES[match[2].upper()]
    return None


def _number(text: str) -> int | float | str:
    for number in (int, float):
        try:
            return number(text) if text.isascii() and "_" not in text else text
        except ValueError:
            continue
    return text
