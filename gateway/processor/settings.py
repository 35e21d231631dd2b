"""What an operator can say about the processor."""

from typing import Literal

from attrs import field, frozen, validators


@frozen
class ProcessorSettings:
    """Who writes the tags into the images."""

    kind: Literal["built_in", "external"] = field(
        default="built_in", validator=validators.in_(("built_in", "external"))
    )
    """`external`: services of their own on the same broker."""
    concurrency: int = field(default=2, validator=validators.ge(1))
    """Images in work at once, when built in."""
    timeout_s: float = field(default=60.0, validator=validators.gt(0))
    """The longest that one image may take."""
