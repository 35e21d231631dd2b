"""EfficientNet-Lite0 (the small variant of Tan and Le, 2019, arXiv:1905.11946) in numpy: one picture, on one core.

A picture lies as height, width, channel, so that a convolution of 1 by 1 is one multiplication of matrices. Batch
normalization is folded into the weights before it. Pads like TensorFlow, where the weights come from: at stride 2 there
is less padding above and to the left than below and to the right.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from attrs import frozen

from gateway.analyzer.local.sight.weights import Tensors

SIZE: Final = 224
"""Height and width of the picture."""
CLASSES: Final = 1000
"""As ImageNet's challenge of 2012 numbers them."""

STRIDES: Final = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""One for each block; all else of a block is to be seen from its weights."""
STEM_KERNEL: Final = 3
STEM_STRIDE: Final = 2
BATCH_NORM_EPSILON: Final = 1e-3
MOST_ACTIVE: Final = 6.0
"""The activation is ReLU6: what is below 0 becomes 0, what is above 6 becomes 6."""

Floats = npt.NDArray[np.float32]


@frozen(eq=False)
class Dense:
    """Takes each pixel's channels to others: `weights` is channels in by channels out."""

    weights: Floats
    bias: Floats

    def of(self, picture: Floats) -> Floats:
        height, width, channels = picture.shape
        out: Floats = picture.reshape(height * width, channels) @ self.weights
        out += self.bias
        return out.reshape(height, width, -1)


@frozen(eq=False)
class Depthwise:
    """Looks at each channel for itself, with a kernel of height by width by channels."""

    kernel: Floats
    bias: Floats
    stride: int

    def of(self, picture: Floats) -> Floats:
        size = len(self.kernel)
        padded = _padded(picture, size, self.stride)
        height, width = (math.ceil(side / self.stride) for side in picture.shape[:2])
        out = np.empty((height, width, picture.shape[2]), np.float32)
        product = np.empty_like(out[0])
        reach = self.stride * (width - 1) + 1
        for row in range(height):  # one by one: what is worked on stays in the processor's cache
            into = out[row]
            into[:] = self.bias
            for below, weights in enumerate(self.kernel):
                line = padded[row * self.stride + below]
                for right, weight in enumerate(weights):
                    np.multiply(line[right : right + reach : self.stride], weight, out=product)
                    np.add(into, product, out=into)
        return out


@frozen(eq=False)
class Block:
    """Widens the channels, looks around, and narrows them again; adds what it was given where the shapes allow."""

    expand: Dense | None
    look: Depthwise
    project: Dense

    def of(self, picture: Floats) -> Floats:
        wide = picture if self.expand is None else _active(self.expand.of(picture))
        out = self.project.of(_active(self.look.of(wide)))
        if out.shape == picture.shape:
            out += picture
        return out


@frozen(eq=False)
class Network:
    """All its weights, ready to be used. Holds 19 MB."""

    stem: Dense
    blocks: Sequence[Block]
    head: Dense
    classes: Dense

    def logits(self, picture: Floats) -> Floats:
        """A number for each of CLASSES; `picture` is SIZE by SIZE by 3, red first, from -1 to 1."""
        out = _active(self.stem.of(_neighbourhoods(picture)))
        for block in self.blocks:
            out = block.of(out)
        features = _active(self.head.of(out)).mean((0, 1), keepdims=True)
        return self.classes.of(features).reshape(CLASSES)


def network_of(tensors: Tensors) -> Network:
    """The network of the weights that were read. Raises KeyError and ValueError when they are another's."""
    stem_weights, stem_bias = _folded(tensors, "_conv_stem", "_bn0")
    # Rows of the matrix in the order of _neighbourhoods: below, right, channel.
    stem = stem_weights.transpose(2, 3, 1, 0).reshape(-1, len(stem_bias))
    return Network(
        stem=Dense(np.ascontiguousarray(stem), stem_bias),
        blocks=[_block(tensors, f"_blocks.{number}.", stride) for number, stride in enumerate(STRIDES)],
        head=_dense(tensors, "_conv_head", "_bn1"),
        classes=Dense(np.array(tensors["_fc.weight"].T, order="C"), tensors["_fc.bias"].copy()),
    )


def _block(tensors: Tensors, prefix: str, stride: int) -> Block:
    is_expanded = f"{prefix}_expand_conv.weight" in tensors
    kernel, bias = _folded(tensors, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
    return Block(
        expand=_dense(tensors, f"{prefix}_expand_conv", f"{prefix}_bn0") if is_expanded else None,
        look=Depthwise(np.ascontiguousarray(kernel[:, 0].transpose(1, 2, 0)), bias, stride),
        project=_dense(tensors, f"{prefix}_project_conv", f"{prefix}_bn2"),
    )


def _dense(tensors: Tensors, convolution: str, normalization: str) -> Dense:
    weights, bias = _folded(tensors, convolution, normalization)
    return Dense(np.ascontiguousarray(weights[:, :, 0, 0].T), bias)


def _folded(tensors: Tensors, convolution: str, normalization: str) -> tuple[Floats, Floats]:
    """Weights (out, in, height, width) and bias that do what both do one after the other."""
    scale, shift, mean, variance = (
        tensors[f"{normalization}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = (scale / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))).astype(np.float32)
    return tensors[f"{convolution}.weight"] * scale[:, None, None, None], shift - mean * scale


def _neighbourhoods(picture: Floats) -> Floats:
    """For each pixel of the stem's output all that its kernel sees: the convolution becomes a Dense."""
    out = math.ceil(SIZE / STEM_STRIDE)
    padded = _padded(picture, STEM_KERNEL, STEM_STRIDE)
    reach = STEM_STRIDE * (out - 1) + 1
    return np.concatenate(
        [
            padded[below : below + reach : STEM_STRIDE, right : right + reach : STEM_STRIDE]
            for below in range(STEM_KERNEL)
            for right in range(STEM_KERNEL)
        ],
        axis=2,
    )


def _padded(picture: Floats, kernel: int, stride: int) -> Floats:
    height, width, channels = picture.shape
    (above, below), (left, right) = _padding(height, kernel, stride), _padding(width, kernel, stride)
    padded = np.zeros((above + height + below, left + width + right, channels), np.float32)
    padded[above : above + height, left : left + width] = picture
    return padded


def _padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME": before and after."""
    needed = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
    return needed // 2, needed - needed // 2


def _active(picture: Floats) -> Floats:
    return np.clip(picture, 0, MOST_ACTIVE, out=picture)
