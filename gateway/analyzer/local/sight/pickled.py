"""What a pickle says, read from its opcodes and never unpickled: nothing is imported, called or changed.

A pickle is a program for a machine with a stack, and may call whatever Python has. Here its names stay names and its
calls stay calls, to be looked at by who knows what they should be. Of the opcodes, those are known that torch.save
wrote (protocol 2; the standard library's pickletools tells what each does).
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import field, frozen


class Unreadable(ValueError):
    """It is no pickle, is cut off, or does what tables of tensors need not do."""


@frozen
class Named:
    """What would be imported: `torch.FloatStorage`."""

    name: str


@frozen
class Call:
    """What would be the result of a call."""

    function: object
    arguments: object


@frozen
class Reference:
    """To something that is kept outside of the pickle."""

    to: object


ORDERED_DICT: Final = Call(Named("collections.OrderedDict"), ())


def value_in(stream: io.BytesIO) -> object:
    """The value of the pickle where `stream` stands, which is then behind it. Raises Unreadable.

    It is made of dict (with texts for keys), list, tuple, str, int, bool, None and the three classes above. It may
    contain itself.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name not in _STEPS:
                raise Unreadable(f"its opcode {opcode.name} is of no use here")
            _STEPS[opcode.name](machine, argument)
        (value,) = machine.stack
    except (ValueError, LookupError) as error:
        raise Unreadable(f"The pickle can't be read: {error}") from error
    return value


_MARK: Final = object()


@frozen
class _Machine:
    """A method for each kind of opcode; each takes the opcode's argument."""

    stack: list[Any] = field(factory=list)
    memo: dict[int, Any] = field(factory=dict)

    def nothing(self, _: object) -> None:
        pass

    def push(self, value: object) -> None:
        self.stack.append(value)

    def name(self, module_and_name: str) -> None:
        self.push(Named(module_and_name.replace(" ", ".")))

    def remember(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def recall(self, number: int) -> None:
        self.push(self.memo[number])

    def refer(self, _: object) -> None:
        self.push(Reference(self.stack.pop()))

    def call(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        called = Call(function, arguments)
        self.push({} if called == ORDERED_DICT else called)

    def append(self, _: object) -> None:
        self._extend([self.stack.pop()])

    def append_all(self, _: object) -> None:
        self._extend(self._taken_to_mark())

    def set_item(self, _: object) -> None:
        self._update([self.stack.pop(-2), self.stack.pop()])

    def set_items(self, _: object) -> None:
        self._update(self._taken_to_mark())

    def tuple_to_mark(self, _: object) -> None:
        self.push(tuple(self._taken_to_mark()))

    def attributes(self, _: object) -> None:
        """Those that torch gives to a dict are the versions of its layers: of no use here."""
        self.stack.pop()
        _of_type(dict, self.stack[-1])

    def _taken_to_mark(self) -> list[Any]:
        taken = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def _extend(self, values: list[Any]) -> None:
        _of_type(list, self.stack[-1]).extend(values)

    def _update(self, keys_and_values: list[Any]) -> None:
        keys, values = keys_and_values[::2], keys_and_values[1::2]
        for key, value in zip(keys, values, strict=True):
            # Of tuples within tuples, a million deep, no hash is to be asked.
            _of_type(dict, self.stack[-1])[_of_type(str, key)] = value


def _of_type(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise Unreadable(f"it has something else where a {kind.__name__} belongs")
    return value


def _pushes(make: Callable[[], object]) -> Callable[[_Machine, object], None]:
    return lambda machine, _: machine.push(make())


def _tuple_of(length: int) -> Callable[[_Machine, object], None]:
    def step(machine: _Machine, _: object) -> None:
        machine.push(tuple(machine.stack.pop() for _ in range(length))[::-1])

    return step


_STEPS: Final[Mapping[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": _Machine.nothing,
    "STOP": _Machine.nothing,
    **dict.fromkeys(("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"), _Machine.push),
    "NONE": _pushes(lambda: None),
    "NEWTRUE": _pushes(lambda: True),
    "NEWFALSE": _pushes(lambda: False),
    "EMPTY_DICT": _pushes(dict),
    "EMPTY_LIST": _pushes(list),
    "EMPTY_TUPLE": _pushes(tuple),
    "MARK": _pushes(lambda: _MARK),
    "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_all,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.name,
    "BINPERSID": _Machine.refer,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.attributes,
}
