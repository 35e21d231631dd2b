"""What each of those who follow a job is promised, whatever happens: no gap, nothing twice, no step back."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from attrs import define, evolve, field

from gateway.api.views import event_fields, image_fields, to_json
from gateway.domain.events import Event, EventType, StreamPosition, snapshot_event, state_before
from gateway.domain.job import Image, Job
from gateway.events.follower import End, Follower
from tests.unit.events.honest_store import HonestStore
from tests.unit.events.knowledge import Knowledge

HEARTBEAT_S = 20.0


@define(eq=False)
class Subscription:
    """What one has been told of a job since it was opened."""

    job_id: str
    after: str | None
    with_images: bool
    least: int
    """What had been announced, at the latest, when it began."""
    knowledge: Knowledge = field(factory=Knowledge)
    """Of the job, also from connections before this one."""
    told: list[dict[str, Any]] = field(factory=list)
    ends: list[End] = field(factory=list)
    follower: Follower = field(init=False)

    @property
    def position(self) -> int:
        return seq_of(self.told[-1]["id"])


@define(eq=False)
class Promises:
    """By what lies in the store, and what one process has announced of it."""

    store: HonestStore
    announced: Counter[str] = field(factory=Counter)
    """The number of the newest event of each job."""

    def has_announced(self, job: Job) -> None:
        self.announced[job.job_id] = max(self.announced[job.job_id], job.seq)

    def check(self, subscription: Subscription, message: dict[str, Any]) -> None:
        assert epoch_of(message["id"]) == self.store.epoch
        if not subscription.told:
            self.check_opening(subscription, message)
        else:
            self.check_news(subscription, message)
        subscription.told.append(message)
        subscription.knowledge.take(message)

    def check_opening(self, subscription: Subscription, message: dict[str, Any]) -> None:
        """The state at the position that was named, or the present one; never one that nobody could know of yet."""
        job_id, seq = subscription.job_id, seq_of(message["id"])
        assert message["type"] == "progress"
        assert message["heartbeat_s"] == HEARTBEAT_S
        assert seq <= self.known(job_id)
        if message["resumed"]:
            after = "0" if subscription.after == "0" else message["id"]
            assert subscription.after == after
            assert "images" not in message
        else:
            assert seq >= subscription.least
            assert not self.could_go_on(subscription, seq)
        if job_id in self.store.jobs:
            assert without_opening(message) == shown(job_id, self.state_at(job_id, seq), message["id"])
            if subscription.with_images and seq == self.store.jobs[job_id].seq and not message["resumed"]:
                assert message["images"] == shown_images(self.store.jobs[job_id].images)

    def check_news(self, subscription: Subscription, message: dict[str, Any]) -> None:
        """The next event that it had to be told, or the last state once more."""
        job_id, seq, before = subscription.job_id, seq_of(message["id"]), subscription.position
        assert subscription.told[-1]["type"] != "job_complete"
        assert "resumed" not in message
        assert seq <= self.known(job_id)
        if job_id not in self.store.jobs:
            assert seq >= before
            return
        log = self.store.logs[job_id]
        if seq == before and message["type"] == "progress":
            assert message == shown(job_id, self.state_at(job_id, seq), message["id"])
            return
        if seq == before:
            # Of an ended job the last event follows its state.
            assert len(subscription.told) == 1
            assert message["type"] == "job_complete"
        assert seq >= before
        assert message == shown(job_id, log[seq - 1], message["id"])
        untold = log[before : seq - 1]
        assert all(event.type is EventType.PROGRESS for event in untold), "an image's end was left out"

    def check_end(self, subscription: Subscription) -> None:
        """When all has come to rest: who follows knows all, and who can hear no more was told why."""
        job = self.store.jobs.get(subscription.job_id)
        if job is None:
            assert subscription.ends in ([End.DELETED], [End.COMPLETE])
            return
        assert subscription.told
        assert subscription.position == job.seq
        if subscription.knowledge.is_whole:
            assert subscription.knowledge.ends == ends_of(job)
        if job.counts.open:
            assert subscription.ends == []
            assert subscription.follower.last_told() is not None, "no sign of life for one who knows all"
        else:
            assert subscription.ends == [End.COMPLETE]
            assert subscription.told[-1]["type"] == "job_complete"

    def could_go_on(self, subscription: Subscription, seq: int) -> bool:
        """Whether what it named is a position of this job from which there is a way to that one, not its end."""
        after = subscription.after
        if after == "0":
            return True
        position = StreamPosition.parse(after) if after else None
        job = self.store.jobs.get(subscription.job_id)
        if position is None or position.epoch != self.store.epoch or job is None:
            return False
        has_ended = self.state_at(subscription.job_id, seq).status.is_final
        return position.seq < seq or (position.seq == seq and not has_ended)

    def known(self, job_id: str) -> int:
        """The newest event of which one may hear: announced, or in a state that was read."""
        return max(self.announced[job_id], self.store.shown[job_id])

    def state_at(self, job_id: str, seq: int) -> Event:
        if seq == 0:
            return state_before(self.store.jobs[job_id])
        job = self.store.jobs[job_id]
        if seq == job.seq:
            return snapshot_event(job)
        return evolve(self.store.logs[job_id][seq - 1], type=EventType.PROGRESS, image=None)


def seq_of(position: str) -> int:
    return int(position.partition(":")[2])


def epoch_of(position: str) -> str:
    return position.partition(":")[0]


def shown(job_id: str, event: Event, position: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(to_json(event_fields(job_id, event, position)))
    return parsed


def shown_images(images: Iterable[Image]) -> list[Any]:
    parsed: list[Any] = json.loads(to_json({"images": list(map(image_fields, images))}))["images"]
    return parsed


def ends_of(job: Job) -> dict[int, Any]:
    """The images that have ended, by their index, as they are shown."""
    ended = [image for image in job.images if image.status.is_final]
    return {image.index: shown for image, shown in zip(ended, shown_images(ended), strict=True)}


def without_opening(message: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in message.items() if name not in ("resumed", "heartbeat_s", "images")
    }
