"""Where the reader of a JSON document is: what is open, and under which key or index. No object has a key twice.

It is told what stands outside of strings, and every string, and judges only what it has to know for that. Where it is
follows from it for all documents that are JSON; whether one is, a parser says.
"""

from typing import ClassVar, Final

from attrs import define, field

from gateway.errors import BadInput
from gateway.intake.json.string import unescaped
from gateway.intake.repeats import key_twice
from gateway.intake.shape import not_json

Path = tuple[str | int | None, ...]
"""A key or an index for each object and array that is open; None where an object's next key is not known yet."""

_STRUCTURE: Final = b"{}[],"
_ALL_ELSE: Final = bytes(set(range(256)) - set(_STRUCTURE))
_COMMA, _BEGINS_OBJECT, _BEGINS_ARRAY = b",{["
_MAX_DEPTH: Final = 32


@define(eq=False)
class _Object:
    at: str | None = None
    _keys: set[str] = field(factory=set)

    kind: ClassVar = "an object"
    end: ClassVar = "}"

    def pass_comma(self) -> None:
        self.at = None

    def take_string(self, content: bytes) -> None:
        if self.at is not None:
            return
        key = unescaped(content)
        if key in self._keys:
            raise key_twice("body", key)
        self._keys.add(key)
        self.at = key


@define(eq=False)
class _Array:
    at: int = 0

    kind: ClassVar = "an array"
    end: ClassVar = "]"

    def pass_comma(self) -> None:
        self.at += 1

    def take_string(self, content: bytes) -> None:
        """It is a value."""


@define(eq=False)
class Structure:
    """Of one document of at most `max_parts`: strings, commas, brackets and braces.

    They are bounded because an empty object takes three bytes of a document, and far more of memory and time.
    """

    _max_parts: int
    _parts: int = 0
    _open: list[_Object | _Array] = field(factory=list)
    _has_ended: bool = False

    @property
    def depth(self) -> int:
        return len(self._open)

    @property
    def path(self) -> Path:
        return tuple([level.at for level in self._open])

    def pass_over(self, segment: bytes) -> None:
        """What stands outside of strings. Raises BadInput for too much, too deep, and brackets that don't match."""
        characters = segment.translate(None, _ALL_ELSE)
        # In their order, or it would depend on how they were cut which of two faults is told.
        for character in characters[: self._max_parts - self._parts]:
            if character == _COMMA:
                self._pass_comma()
            elif character == _BEGINS_OBJECT:
                self._begin(_Object())
            elif character == _BEGINS_ARRAY:
                self._begin(_Array())
            else:
                self._end(chr(character))
        self._count(len(characters))

    def take_string(self, content: bytes) -> None:
        """What stands between the quotes of a string. Raises KeyTwice; BadInput for a key that is no string."""
        self._count(1)
        if self._open:
            self._open[-1].take_string(content)

    def refuse_open(self) -> None:
        """At the end of the document: raises BadInput if something is open."""
        if self._open:
            raise not_json("body", f"it ends inside {self._open[-1].kind}")

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > self._max_parts:
            text = (
                f"The body is too complex: more than {self._max_parts} strings, commas, brackets and braces."
            )
            raise BadInput(text, code="too_complex")

    def _pass_comma(self) -> None:
        if self._open:
            self._open[-1].pass_comma()

    def _begin(self, level: _Object | _Array) -> None:
        if self._has_ended:
            raise not_json("body", "something stands behind its end")
        if self.depth == _MAX_DEPTH:
            text = (
                f"The body is nested too deeply: more than {_MAX_DEPTH} objects and arrays are open at once."
            )
            raise BadInput(text, code="not_json")
        self._open.append(level)

    def _end(self, character: str) -> None:
        if not self._open or self._open[-1].end != character:
            raise not_json("body", f"a {character} ends nothing that is open")
        self._open.pop()
        self._has_ended = not self._open
