"""gateway.analyzer.local.sight.network: the same numbers as another program's, and no memory of the picture before."""

import attrs
import numpy as np
import numpy.typing as npt
import pytest

from gateway.analyzer.local.sight.classify import loaded_network
from gateway.analyzer.local.sight.network import CLASSES, SIZE, Floats, Network, network_of
from gateway.analyzer.local.sight.weights import read_weights

# By onnxruntime on the CPU, of the same weights as an ONNX graph with explicit, asymmetric padding.
KNOWN = {
    0: -0.2981, 1: 2.2469, 207: 0.7656, 281: -0.1081, 285: 1.0069, 437: -0.0107, 504: -1.1830, 800: 2.4803,
    967: -0.7758, 999: -2.1500,
}  # fmt: skip
MOST_PROBABLE = 885
SUM, SPREAD = -71.77428, 1.5613803


@pytest.fixture(scope="module")
def waves() -> Floats:
    """A picture that is the same everywhere, and neither mirrored nor turned the same."""
    down, right = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / (SIZE - 1)
    channels = [np.sin(9 * right + 4 * down), np.cos(7 * right - 11 * down), 2 * right * down - 1]
    return np.stack(channels, axis=-1).astype(np.float32)


def test_what_another_program_makes_of_the_same_weights_comes_out(waves):
    logits = loaded_network().logits(waves)
    assert {index: float(logits[index]) for index in KNOWN} == pytest.approx(KNOWN, abs=1e-3)


def test_so_it_is_for_all_classes_together(waves):
    logits = loaded_network().logits(waves)
    assert (logits.shape, int(logits.argmax())) == ((CLASSES,), MOST_PROBABLE)
    assert (float(logits.sum()), float(logits.std())) == pytest.approx((SUM, SPREAD), abs=1e-2)


def test_the_picture_stays_as_it_is_and_gives_the_same_again(waves):
    before = waves.copy()
    first, second = loaded_network().logits(waves), loaded_network().logits(waves)
    assert np.array_equal(first, second)
    assert np.array_equal(waves, before)


def test_nothing_of_the_file_is_held_for_the_network_and_all_of_it_is_aligned():
    """A view of one tensor would hold the 17 MB of all, at an odd address."""
    tensors = read_weights()
    ours = arrays_of(network_of(tensors))
    assert not [array.shape for array in ours if not array.flags.aligned]
    assert not [
        name for name, tensor in tensors.items() if any(np.may_share_memory(tensor, array) for array in ours)
    ]


def arrays_of(network: Network) -> list[npt.NDArray[np.float32]]:
    of_blocks = [part for block in network.blocks for part in (block.expand, block.look, block.project)]
    parts = [network.stem, *of_blocks, network.head, network.classes]
    of_parts = [attrs.astuple(part, recurse=False) for part in parts if part]
    return [value for values in of_parts for value in values if isinstance(value, np.ndarray)]
