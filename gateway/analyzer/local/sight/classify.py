"""General words for what is in a picture, each with its probability. Imports numpy: for helper processes."""

from functools import cache
from typing import Final

import numpy as np
from PIL import Image

from gateway.analyzer.local.sight.network import Floats, Network, network_of
from gateway.analyzer.local.sight.views import views_of
from gateway.analyzer.local.sight.vocabulary import SeenWord, words_of
from gateway.analyzer.local.sight.weights import read_weights

__all__ = ["MOST_WORDS", "SeenWord", "loaded_network", "probabilities_of", "seen_in"]

MOST_WORDS: Final = 8


def seen_in(picture: Image.Image, min_probability: float) -> tuple[SeenWord, ...]:
    """At most MOST_WORDS that are sure by `min_probability`, narrower ones first; none of most pictures.

    `picture` is upright and RGB; it need not be larger than about 500 pixels. The first call of a process reads the
    weights. Raises WeightsUnusable, OSError.
    """
    return words_of(probabilities_of(picture), min_probability)[:MOST_WORDS]


def probabilities_of(picture: Image.Image) -> Floats:
    """How probable each of the network's classes is, as the mean of what it makes of each view."""
    network = loaded_network()
    of_views = [_softmax(network.logits(view)) for view in views_of(picture)]
    mean: Floats = np.mean(of_views, axis=0, dtype=np.float32)
    return mean


@cache
def loaded_network() -> Network:
    """The network, read once in a process."""
    return network_of(read_weights())


def _softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max())
    powers /= powers.sum()
    return powers
