"""An event is written once, and what was written is kept within a bound."""

from typing import Any

from attrs import evolve

from gateway.api.live.event_texts import EventTexts
from gateway.domain.events import Event, StreamPosition, snapshot_event
from tests import builders
from tests.traced_memory import traced_memory


class Positions:
    """What the texts need of an event stream."""

    def position(self, event: Event) -> StreamPosition:
        return StreamPosition("e", event.seq)


def test_an_event_is_written_once_for_all() -> None:
    stream: Any = Positions()
    texts = EventTexts(stream)
    event = snapshot_event(builders.a_job(2))
    assert texts.of("j", event) is texts.of("j", evolve(event))


def test_texts_of_different_events_differ() -> None:
    stream: Any = Positions()
    texts = EventTexts(stream)
    job = builders.an_accepted_job(1)
    done = builders.complete(builders.publish(job.job).job)
    written = {texts.of("j", event) for event in (*job.events, *done.events)}
    assert len(written) == len(job.events) + len(done.events)


def test_texts_are_bounded_by_bytes_and_the_oldest_goes_first() -> None:
    stream: Any = Positions()
    event = snapshot_event(builders.a_job(2))
    size = len(EventTexts(stream).of("0", event))
    texts = EventTexts(stream, capacity_bytes=3 * (size + 400))
    kept = [texts.of(str(number), event) for number in range(4)]
    assert [texts.of(str(number), event) is kept[number] for number in (1, 2, 3)] == [True] * 3
    assert texts.of("0", event) is not kept[0]


def test_texts_take_no_more_memory_than_is_counted() -> None:
    stream: Any = Positions()
    event = snapshot_event(builders.a_job(2))
    texts = EventTexts(stream, capacity_bytes=256 * 1024)
    with traced_memory() as traced:
        for number in range(1000):
            texts.of(f"{number:036}", event)
    assert traced.held_bytes < texts.capacity_bytes


def test_an_event_larger_than_the_cache_is_written_all_the_same() -> None:
    stream: Any = Positions()
    texts = EventTexts(stream, capacity_bytes=10)
    event = snapshot_event(builders.a_job(2))
    assert texts.of("j", event) == texts.of("j", event) == EventTexts(stream).of("j", event)
