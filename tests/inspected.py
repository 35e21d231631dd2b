"""What the inspection of images says to all the bytes of one, given at once."""

import pytest

from gateway.errors import ContentError
from gateway.images.inspect import ImageFacts, ImageLimits, Inspector

ANY = ImageLimits()


def inspect(data: bytes, limits: ImageLimits = ANY) -> ImageFacts:
    inspector = Inspector(limits)
    inspector.feed(data)
    return inspector.finish()


def refused(data: bytes, limits: ImageLimits = ANY) -> ContentError:
    """Why they are no image that is taken."""
    with pytest.raises(ContentError) as caught:
        inspect(data, limits)
    return caught.value
