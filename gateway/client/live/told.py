"""What one call has told of a job so far, so that it tells nothing twice and nothing old after something newer."""

from collections.abc import Iterable

from attrs import define, field

from gateway.client.answers import Event, Image

FROM_THE_START = "0"
"""As a position: the whole log."""


@define
class Told:
    """Of one job. `position` is the id of the last event that came: where to go on from.

    A log may begin anew, with other ids, as after a restore from a backup: then what was told before is known by the
    images that have ended, and by how many they are.
    """

    position: str | None = None
    _is_open: bool = field(init=False, default=False)
    _ended: set[int] = field(init=False, factory=set)
    _count: int = field(init=False, default=0)

    def begins_anew(self, opening: Event) -> bool:
        """Whether the first event of a connection is the present state, not where the last connection stopped.

        An older gateway does not say so; there it is one that does not follow upon our position.
        """
        if opening.resumed is not None:
            return not opening.resumed
        if self.position == FROM_THE_START:
            return False
        return self.position is None or not is_earlier(self.position, opening.id)

    def take(self, event: Event, *, is_first: bool) -> bool:
        """Whether to tell an event that came, the first one of its connection or another; from then on it is told."""
        is_repeat = event.id == self.position and not event.is_last
        if is_repeat and self._is_open:
            return False
        if self._is_open and not (is_first and self.begins_anew(event)) and self._is_past(event):
            return False
        is_told = event.is_last or not self._is_open or self._is_news(event)
        self.position, self._is_open = event.id, True
        if is_told:
            self._note(event)
        return is_told

    def _is_past(self, event: Event) -> bool:
        return not event.is_last and self.position is not None and is_earlier(event.id, self.position)

    def _is_news(self, event: Event) -> bool:
        """The end of an image that was not told, or a state that is not older than one that was."""
        if event.image is not None:
            return event.image.index not in self._ended
        return event.ended >= self._count or not self._ended.issuperset(_ends(event.images))

    def _note(self, event: Event) -> None:
        self._count = max(self._count, event.ended)
        self._ended.update(_ends(event.images if event.image is None else (event.image,)))


def _ends(images: Iterable[Image]) -> set[int]:
    return {image.index for image in images if image.is_final}


def is_earlier(one: str, other: str) -> bool:
    """Of ids `epoch:number`; those of different epochs have no order."""
    epoch, number = _parts(one)
    other_epoch, other_number = _parts(other)
    return epoch == other_epoch and number < other_number


def _parts(event_id: str) -> tuple[str, int]:
    epoch, _, number = event_id.rpartition(":")
    return epoch, int(number) if number.isdecimal() else -1
