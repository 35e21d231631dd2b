"""All that can happen to those who follow jobs, in any order; promises.py holds it against what each is promised.

The whole engine, and the frames as they are on the wire; time and the store's answers are in the test's hands.
"""

import asyncio
from typing import Any

import pytest
from attrs import define, field
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from gateway.api.live.event_texts import EventTexts
from gateway.api.live.websocket.wires import WebSocketWire
from gateway.domain import transitions
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.events.follower import Follower
from gateway.events.peer import Peer
from gateway.events.stream import EventStream
from tests.builders import NOW, a_failure, an_accepted_job, attempt_of, some_metadata
from tests.recording_transport import RecordingTransport
from tests.unit.events.engine_machine import EngineMachine
from tests.unit.events.honest_store import HonestStore
from tests.unit.events.knowledge import Knowledge
from tests.unit.events.promises import HEARTBEAT_S, Promises, Subscription
from tests.websocket.decoder import Decoder

SMALL_ROOM = 1500
"""Bytes, so that a reader who stops is soon behind."""
MALFORMED = (
    "",
    "nonsense",
    "-1",
    "0:0:0",
    "e1:",
    "e1:01",
    "e1:-1",
    ":1",
    "E1:1",
    "e1:1 ",
    "e1:999",
    "other:1",
)


@define(eq=False)
class Connection:
    transport: RecordingTransport
    peer: Peer
    decoder: Decoder = field(factory=Decoder)
    read: int = 0
    subscriptions: dict[str, Subscription] = field(factory=dict)

    def messages(self) -> list[dict[str, Any]]:
        """Those that were read since the last call."""
        came = self.transport.taken[self.read :]
        self.read = len(self.transport.taken)
        return list(self.decoder.messages(came))


class Following(EngineMachine):
    """Jobs, those who follow them, and everything between."""

    def __init__(self) -> None:
        super().__init__(HonestStore())
        self.to_announce: list[Change] = []
        self.were_announced: list[Change] = []
        self.deleted: list[str] = []
        self.ids: list[str] = ["e1:0"]
        self.connections: list[Connection] = []
        self.begin_life()

    def begin_life(self) -> None:
        """Of a process over the store."""
        latest = self.start_engine()
        self.stream = EventStream(latest, self.store)
        self.wire = WebSocketWire(EventTexts(self.stream), self.stream, HEARTBEAT_S)
        self.store.shown.clear()
        self.promises = Promises(self.store)
        self.to_announce.clear()
        self.were_announced.clear()

    def teardown(self) -> None:
        try:
            self.all_comes_to_rest()
            self.everybody_knows_all()
            for connection in self.connections:
                self.loop.call(self.leave, connection)
            assert self.hub.topics == 0
            assert not asyncio.all_tasks(self.loop)
            assert not self.loop.crashes, self.loop.crashes
        finally:
            self.loop.close()

    # What happens to jobs

    @initialize(
        sizes=st.lists(st.sampled_from([1, 2, 3, 70]), min_size=1, max_size=3),
        with_images=st.lists(st.booleans(), max_size=3),
        data=st.data(),
    )
    def jobs_are_accepted_and_followed(
        self, sizes: list[int], with_images: list[bool], data: st.DataObject
    ) -> None:
        for size in sizes:
            self.commit(an_accepted_job(size))
        self.announce_all()
        for each in with_images:
            self.subscribe(self.connect(), data, with_images=each)

    @rule(size=st.sampled_from([1, 2, 3, 70]), at_once=st.booleans())
    def a_job_is_accepted(self, size: int, at_once: bool) -> None:
        self.commit(an_accepted_job(size), at_once=at_once)

    @rule(data=st.data(), at_once=st.booleans())
    def an_image_goes_to_the_broker(self, data: st.DataObject, at_once: bool) -> None:
        job, index = self.an_open_image(data)
        if job is not None:
            self.commit(transitions.published(job, [attempt_of(job, index)], NOW), at_once=at_once)

    @rule(data=st.data(), at_once=st.booleans())
    def an_image_is_completed(self, data: st.DataObject, at_once: bool) -> None:
        job, index = self.an_open_image(data)
        if job is not None:
            name = attempt_of(job, index)
            change = transitions.attempt_completed(job, name, f"{name}/x.jpg", some_metadata(), NOW)
            self.commit(change, at_once=at_once)

    @rule(data=st.data(), at_once=st.booleans())
    def an_image_fails(self, data: st.DataObject, at_once: bool) -> None:
        job, index = self.an_open_image(data)
        if job is not None:
            self.commit(transitions.fail(job, index, a_failure(), NOW), at_once=at_once)

    @rule(data=st.data(), at_once=st.booleans())
    def a_job_is_cancelled(self, data: st.DataObject, at_once: bool) -> None:
        """Many events in one commit."""
        job, _ = self.an_open_image(data)
        if job is not None:
            self.commit(transitions.cancel(job, NOW), at_once=at_once)

    @rule(data=st.data(), is_told_late=st.booleans())
    def a_job_is_deleted(self, data: st.DataObject, is_told_late: bool) -> None:
        if self.store.jobs:
            job_id = data.draw(st.sampled_from(list(self.store.jobs)))
            self.announce_all()
            self.store.delete(job_id)
            self.deleted.append(job_id)
            if is_told_late:
                self.loop.settle()
            self.loop.call(self.hub.announce_deleted, job_id)

    @rule()
    def what_was_committed_is_announced(self) -> None:
        self.announce_all()

    @rule(data=st.data())
    def it_is_announced_in_another_order(self, data: st.DataObject) -> None:
        self.to_announce = data.draw(st.permutations(self.to_announce))
        self.announce_all()

    @rule(data=st.data())
    def it_is_announced_again(self, data: st.DataObject) -> None:
        again = [change for change in self.were_announced if change.job.job_id in self.store.jobs]
        if again:
            self.loop.call(self.hub.announce, data.draw(st.sampled_from(again)))

    # What happens to those who follow

    @rule(data=st.data(), with_images=st.booleans(), is_slow=st.booleans())
    def somebody_comes(self, data: st.DataObject, with_images: bool, is_slow: bool) -> None:
        connection = self.connect()
        if is_slow:
            connection.transport.stop_reading()
        self.subscribe(connection, data, with_images=with_images)

    @rule(data=st.data(), with_images=st.booleans(), ends=st.integers(1, 3), at_once=st.booleans())
    def somebody_comes_when_images_are_about_to_end(
        self, data: st.DataObject, with_images: bool, ends: int, at_once: bool
    ) -> None:
        """While its opening is being read, of a job that is at hand or not, they do."""
        self.store.holds = True
        connection = self.connect()
        self.subscribe(connection, data, with_images=with_images)
        for job_id in connection.subscriptions:
            for _ in range(ends):
                job, index = self.an_open_image(data, job_id)
                if job is not None:
                    self.commit(transitions.fail(job, index, a_failure(), NOW), at_once=at_once)
        self.loop.call(self.store.let_all_go)

    @precondition(lambda self: self.connections)
    @rule(data=st.data(), with_images=st.booleans())
    def one_follows_another_job_too(self, data: st.DataObject, with_images: bool) -> None:
        self.subscribe(self.a_connection(data), data, with_images=with_images)

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def one_leaves(self, data: st.DataObject) -> None:
        connection = self.a_connection(data)
        self.connections.remove(connection)
        self.loop.call(self.leave, connection)

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def one_comes_back(self, data: st.DataObject) -> None:
        """At once."""
        old = self.a_connection(data)
        self.connections.remove(old)
        self.loop.call(self.leave, old)
        self.come_back(old)

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def one_reads_no_more(self, data: st.DataObject) -> None:
        self.a_connection(data).transport.stop_reading()

    @precondition(lambda self: self.connections)
    @rule(data=st.data(), size=st.integers(1, 5000))
    def one_reads_a_little(self, data: st.DataObject, size: int) -> None:
        transport = self.a_connection(data).transport
        self.loop.call(transport.read, size)

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def one_reads_all_again(self, data: st.DataObject) -> None:
        self.loop.call(self.a_connection(data).transport.go_on_reading)

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def one_is_given_a_sign_of_life(self, data: st.DataObject) -> None:
        connection = self.a_connection(data)
        for subscription in connection.subscriptions.values():
            event = subscription.follower.last_told()
            if event is not None:
                repeated = self.wire.repeat(subscription.job_id, event)
                self.loop.call(connection.peer.write_now, repeated)

    # Time, and the process

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.2, 3.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.loop.turn(seconds, step_s=max(0.05, seconds / 10))

    @rule(is_new=st.booleans(), data=st.data())
    def the_process_starts_anew(self, is_new: bool, data: st.DataObject) -> None:
        """Over the same store, or over one that was restored and has another epoch; what was not announced never is.

        Some who followed come back to it.
        """
        self.loop.call(self.store.let_all_go)
        before, self.connections = self.connections, []
        for connection in before:
            self.loop.call(self.leave, connection)
        assert self.hub.topics == 0
        if is_new:
            number = int(self.store.epoch[1:]) + 1
            self.store = HonestStore(f"e{number}", self.store.jobs, self.store.logs)
        self.begin_life()
        for connection in before:
            if data.draw(st.booleans()):
                self.come_back(connection)

    # What holds at any time

    @invariant()
    def what_was_read_is_right(self) -> None:
        self.loop.settle()
        for connection in self.connections:
            for message in connection.messages():
                self.promises.check(connection.subscriptions[message["job_id"]], message)
                self.ids.append(message["id"])

    # How it ends

    def all_comes_to_rest(self) -> None:
        """All is announced, everybody reads, and the store answers."""
        self.announce_all()
        self.loop.call(self.store.let_all_go)
        for connection in self.connections:
            self.loop.call(connection.transport.go_on_reading)
        self.loop.turn(3)
        self.loop.settle(300)
        self.what_was_read_is_right()

    def everybody_knows_all(self) -> None:
        for connection in self.connections:
            assert not connection.transport.was_aborted
            assert connection.decoder.is_between_messages
            for subscription in connection.subscriptions.values():
                self.promises.check_end(subscription)

    # Helpers

    def commit(self, change: Change | None, *, at_once: bool = False) -> None:
        if change is None:
            return
        self.store.commit(change)
        self.to_announce.append(change)
        if at_once:
            self.announce_all()

    def announce_all(self) -> None:
        waiting, self.to_announce = self.to_announce, []
        for change in waiting:
            job_id = change.job.job_id
            if job_id in self.store.jobs:
                self.promises.has_announced(change.job)
                self.were_announced.append(change)
                self.loop.call(self.hub.announce, change)

    def subscribe(self, connection: Connection, data: st.DataObject, *, with_images: bool) -> None:
        job_ids = [
            job_id
            for job_id in (*self.store.jobs, *self.deleted[-1:])
            if job_id not in connection.subscriptions
        ]
        if job_ids:
            job_id = data.draw(st.sampled_from(job_ids))
            after = data.draw(st.one_of(st.none(), st.just("0"), st.sampled_from(self.ids + list(MALFORMED))))
            self.begin(connection, job_id, after, with_images=with_images)

    def connect(self) -> Connection:
        transport = RecordingTransport(SMALL_ROOM)
        connection = Connection(transport, transport.peer())
        self.connections.append(connection)
        return connection

    def come_back(self, old: Connection) -> None:
        """To each job with the last id, and with what is known of it."""
        new = self.connect()
        for each in old.subscriptions.values():
            if each.told and each.job_id in self.store.jobs:
                self.begin(new, each.job_id, each.told[-1]["id"], with_images=True, knowledge=each.knowledge)

    def begin(
        self,
        connection: Connection,
        job_id: str,
        after: str | None,
        *,
        with_images: bool,
        knowledge: Knowledge | None = None,
    ) -> None:
        if connection.transport.is_closing():
            return
        subscription = Subscription(
            job_id,
            after,
            with_images,
            least=self.promises.announced[job_id],
            knowledge=knowledge or Knowledge(is_whole=after == "0"),
        )
        subscription.follower = Follower(
            job_id,
            hub=self.hub,
            stream=self.stream,
            peer=connection.peer,
            wire=self.wire,
            on_end=subscription.ends.append,
            after=after,
            with_images=with_images,
        )
        connection.subscriptions[job_id] = subscription
        self.loop.call(subscription.follower.start)

    def leave(self, connection: Connection) -> None:
        connection.transport.abort()
        for subscription in connection.subscriptions.values():
            subscription.follower.stop()
        self.loop.create_task(connection.peer.close())

    def an_open_image(
        self, data: st.DataObject, of_job: str | None = None
    ) -> tuple[Job, int] | tuple[None, int]:
        """Of that job, or of any."""
        jobs = [job for job in self.store.jobs.values() if job.counts.open and of_job in (None, job.job_id)]
        if not jobs:
            return None, 0
        job = data.draw(st.sampled_from(jobs))
        indexes = [image.index for image in job.images if not image.status.is_final]
        return job, data.draw(st.sampled_from(indexes[:5]))

    def a_connection(self, data: st.DataObject) -> Connection:
        place = data.draw(st.integers(0, len(self.connections) - 1))
        return self.connections[place]


Following.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


TestFollowing = pytest.mark.timeout(300)(Following.TestCase)
