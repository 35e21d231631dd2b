"""gateway.analyzer.local.sight.weights: the released file is read, and nothing that another says is believed or run."""

import os
import pickle
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gateway.analyzer.local.sight.weights import (
    MAGIC,
    PROTOCOL,
    WeightsUnusable,
    path_of_weights,
    read_weights,
    tensors_in,
    tensors_in_released,
)

NUMBERS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
MACHINE = {"protocol_version": PROTOCOL, "little_endian": True}


def pushed(value: object) -> bytes:
    """The part of a pickle that puts `value` on the stack."""
    return pickle.dumps(value, 2)[2:-1]


def a_storage(*, what: str = "storage", kind: str = "FloatStorage", key: Any = "0", count: Any = 6) -> bytes:
    reference = pushed(what) + f"ctorch\n{kind}\n".encode() + pushed(key) + pushed("cpu") + pushed(count)
    return b"(" + reference + pushed(None) + b"tQ"


def a_tensor(
    *, offset: Any = 0, shape: Any = (2, 3), strides: Any = (3, 1), storage: bytes = a_storage()
) -> bytes:
    arguments = storage + pushed(offset) + pushed(shape) + pushed(strides) + pushed(False)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def a_file(
    tensor: bytes = a_tensor(), *, keys: Any = ("0",), numbers: Sequence[float] = NUMBERS, count: int = 6
) -> bytes:
    """In torch's old form, with one tensor called w."""
    state = b"\x80\x02}" + pushed("w") + tensor + b"s."
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, PROTOCOL, MACHINE))
    stored = count.to_bytes(8, "little") + np.array(numbers, "<f4").tobytes()
    return head + state + pickle.dumps(keys and list(keys), 2) + stored


def test_the_released_file_is_read():
    tensors = read_weights()
    assert len(tensors) == 296
    assert tensors["_fc.weight"].shape == (1000, 1280)


def test_one_other_byte_is_another_file():
    content = bytearray(path_of_weights().read_bytes())
    content[-1] ^= 1
    with pytest.raises(WeightsUnusable, match="SHA-256"):
        tensors_in_released(bytes(content))


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ({}, [[1, 2, 3], [4, 5, 6]]),
        ({"shape": (3, 2), "strides": (1, 3)}, [[1, 4], [2, 5], [3, 6]]),
        ({"offset": 4, "shape": (2,), "strides": (1,)}, [5, 6]),
        ({"offset": 5, "shape": (), "strides": ()}, 6),
    ],
)
def test_a_tensor_lies_as_its_layout_says(layout, expected):
    assert tensors_in(a_file(a_tensor(**layout)))["w"].tolist() == expected


@pytest.mark.parametrize(
    "layout",
    [
        {"offset": 1},
        {"offset": -1},
        {"offset": 2**70},
        {"offset": 1.0},
        {"offset": True},
        {"strides": (4, 1)},
        {"strides": (-3, 1)},
        {"strides": (3,)},
        {"shape": (2, -3)},
        {"shape": (0, 3)},
        {"shape": (10**12, 10**12), "strides": (0, 0)},
        {"shape": [2, 3]},
        {"shape": (1,) * 5, "strides": (0,) * 5},
        {"storage": pushed("no storage")},
        {"storage": a_storage(key=0)},
        {"storage": a_storage(count="6")},
        {"storage": a_storage(count=-1)},
        {"storage": a_storage(count=2**62)},
        {"storage": a_storage(what="module")},
        {"storage": a_storage(kind="HalfStorage")},
    ],
    ids=str,
)
def test_a_layout_that_lies_is_refused(layout):
    with pytest.raises(WeightsUnusable):
        tensors_in(a_file(a_tensor(**layout)))


@pytest.mark.parametrize(
    "file",
    [
        a_file(keys=()),
        a_file(keys=("0", "0")),
        a_file(keys=("1",)),
        a_file(keys=(0,)),
        a_file(keys=None),
        a_file(count=5),
        a_file(numbers=NUMBERS[:5]),
        a_file(numbers=(*NUMBERS, 7.0)),
        a_file(pushed("not a tensor")),
        pickle.dumps(MAGIC + 1, 2) + a_file()[len(pickle.dumps(MAGIC, 2)) :],
        a_file().replace(b"\x88", b"\x89", 1),
        b"PK\x03\x04 the newer form is a zip",
        b"",
    ],
    ids=[
        "no storage", "twice", "another", "no text", "no list", "fewer", "cut off", "goes on", "no tensor", "no magic",
        "big-endian", "newer", "empty",
    ],
)  # fmt: skip
def test_another_or_damaged_file_is_refused(file):
    with pytest.raises(WeightsUnusable):
        tensors_in(file)


def test_a_file_cut_off_anywhere_is_refused():
    whole = a_file()
    for length in range(len(whole)):
        with pytest.raises(WeightsUnusable):
            tensors_in(whole[:length])


class Calls:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", range(5))
def test_no_pickle_of_the_five_can_call_anything(place, tmp_path):
    evidence = tmp_path / "called"
    for hostile in (
        Calls(os.system, f"touch {evidence}"),
        Calls(subprocess.check_call, ["touch", str(evidence)]),
        Calls(eval, f"open({str(evidence)!r}, 'w')"),
        Calls(getattr, "", "join"),
    ):
        values: list[Any] = [MAGIC, PROTOCOL, MACHINE, {}, []]
        values[place] = hostile
        pickles = [pickle.dumps(value, 2) for value in values]
        with pytest.raises(WeightsUnusable):
            tensors_in(b"".join(pickles))
    assert not evidence.exists()
