"""What waits for a subscriber who has not taken all of the log yet, in the fewest messages that lose nothing.

It is a map: by image, whose newer state takes the place of an older one, and one place for the job. Nobody holds it
for a slow subscriber, who has a position in the log and nothing more: it is made when there is room for it.
"""

from collections.abc import Sequence

from gateway.domain.events import Event, EventType

_Place = tuple[EventType, int | None]


def merged(events: Sequence[Event]) -> list[Event]:
    """The newest of each place, in the order of their numbers. The job's end is a place of its own."""
    newest: dict[_Place, Event] = {}
    for event in events:
        place = (event.type, event.image.index if event.image else None)
        newest.pop(place, None)
        newest[place] = event
    last = events[-1] if events else None
    # A progress says no more than any event after it.
    return [event for event in newest.values() if event.type is not EventType.PROGRESS or event is last]
