"""What an operator can say about the local provider."""

from attrs import field, frozen, validators


@frozen
class LocalSettings:
    """It needs no network and no key; what its extras bring is used where they are installed."""

    see: bool = True
    """Whether to look for what is in the picture; needs the extra `local`."""
    min_probability: float = field(default=0.7, validator=[validators.ge(0.5), validators.le(1)])
    """How sure a word of what is seen must be to be written."""
    place: bool = True
    """Whether to name the place of a photo with coordinates; needs the extra `place`."""
