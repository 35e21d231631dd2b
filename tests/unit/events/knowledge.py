"""What a client knows of a job by all that it was told, over however many connections: what it would show a person."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from gateway.domain.job import Status

_FINAL: Final = frozenset(status for status in Status if status.is_final)
COUNTS: Final = ("completed", "failed", "cancelled")


@define(eq=False)
class Knowledge:
    """It keeps each image's end by its index, and takes each message as it comes.

    `is_whole`: it has begun with the whole log, or with all images, and so is to know every end there is.
    """

    is_whole: bool = False
    ends: dict[int, Any] = field(factory=dict)
    last: Mapping[str, Any] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        """Nothing that has ended is open again or ends otherwise, and no count goes back."""
        for count in COUNTS:
            assert message.get(count, 0) >= self.last.get(count, 0), "a step back"
        if "images" in message:
            self._take_all(message["images"])
        if "image" in message:
            index = message["image"]["index"]
            assert index not in self.ends, "an end that was told already"
            self.ends[index] = message["image"]
        self.last = message

    def _take_all(self, images: list[Any]) -> None:
        assert all(images[index] == end for index, end in self.ends.items()), "an end was undone"
        self.ends = {image["index"]: image for image in images if image["status"] in _FINAL}
        self.is_whole = True
