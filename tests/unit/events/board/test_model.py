"""All that can happen to those who follow the list of all jobs, in any order: in the end each knows how every job is.

The whole engine, and the frames as they are on the wire; time and the store's answers are in the test's hands.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

from attrs import define, field
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from gateway.api.live.websocket.server_messages import BoardMessages
from gateway.api.views import job_fields, to_json
from gateway.domain.events import Change
from gateway.events.board.board import LISTED, Board
from gateway.events.board.follower import BoardFollower
from gateway.events.board.places import Places
from gateway.events.follower import End
from gateway.events.peer import Peer
from gateway.ports.job_store import JobSummary
from tests.builders import NOW, an_accepted_job, complete, publish
from tests.recording_transport import RecordingTransport
from tests.unit.events.board.listed_store import ListedStore
from tests.unit.events.engine_machine import EngineMachine
from tests.websocket.decoder import Decoder

SMALL_ROOM = 1500
"""Bytes, so that a reader who stops is soon behind."""
FEW_PLACES = 4
"""So that who was away for a little falls out."""


@define(eq=False)
class Reader:
    """One who keeps what it was told of each job, and where it stands."""

    after: str | None = None
    known: dict[str, dict[str, Any]] = field(factory=dict)
    transport: RecordingTransport = field(factory=lambda: RecordingTransport(SMALL_ROOM))
    decoder: Decoder = field(factory=Decoder)
    ends: list[End] = field(factory=list)
    is_opened: bool = False
    _read: int = 0
    peer: Peer = field(init=False)
    follower: BoardFollower = field(init=False)

    def begin(self, board: Board) -> None:
        self.peer = self.transport.peer()
        self.follower = BoardFollower(board, self.peer, self.ends.append, self.after)
        self.follower.start()

    async def leave(self) -> None:
        await self.peer.close()
        self.follower.stop()

    def read(self) -> None:
        came = self.transport.taken[self._read :]
        self._read = len(self.transport.taken)
        for message in self.decoder.messages(came):
            self.take(message)

    def take(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "jobs", "resumed": True}:
                assert not self.is_opened
                assert message["id"] == self.after
            case {"type": "jobs"}:
                before, self.known = self.known, {}
                for job in message["jobs"]:
                    self.is_no_older(before.get(job["job_id"]), job)
                    self.known[job["job_id"]] = job
            case {"type": "job_changed", "job": job}:
                self.is_no_older(self.known.get(job["job_id"]), job)
                self.known[job["job_id"]] = job
            case {"type": "job_deleted"}:
                self.known.pop(message["job_id"], None)
        if self.is_opened and message["type"] != "jobs":
            assert number_of(message) > number_of({"id": self.after})
        self.is_opened = True
        self.after = message["id"]

    def is_no_older(self, before: dict[str, Any] | None, job: dict[str, Any]) -> None:
        """No two changes were made at the same time."""
        assert before is None or before["updated_at"] <= job["updated_at"], "an older state after a newer one"


def number_of(message: dict[str, Any]) -> int:
    return int(message["id"].partition(":")[2])


class Following(EngineMachine):
    """Jobs, those who follow the list of them, and everything between."""

    store: ListedStore

    def __init__(self) -> None:
        super().__init__(ListedStore())
        self.moment = NOW
        self.to_announce: list[Change | str] = []
        """Changes, and the ids of jobs that were deleted."""
        self.readers: list[Reader] = []
        self.begin_life()

    def begin_life(self) -> None:
        """Of a process over the store."""
        latest = self.start_engine()
        places = Places(capacity=FEW_PLACES)
        self.board = Board(latest, self.store, BoardMessages(20.0), places)  # type: ignore[arg-type]  # its page alone
        self.hub.observe(self.board.observe)
        self.hub.observe_deletions(self.board.forget)
        self.to_announce.clear()

    def teardown(self) -> None:
        try:
            self.all_comes_to_rest()
            for reader in self.readers:
                self.knows_all(reader)
                self.loop.call(self.loop.create_task, reader.leave())
            assert not asyncio.all_tasks(self.loop)
            assert not self.loop.crashes, self.loop.crashes
        finally:
            self.loop.close()

    # What happens to jobs, of which there are no more than a list shows

    @precondition(lambda self: len(self.store.jobs) < LISTED)
    @rule(at_once=st.booleans())
    def a_job_is_accepted(self, at_once: bool) -> None:
        self.commit(an_accepted_job(2, now=self.later()), at_once=at_once)

    @precondition(lambda self: len(self.store.jobs) + FEW_PLACES < LISTED)
    @rule()
    def more_jobs_are_accepted_at_once_than_there_are_places(self) -> None:
        for _ in range(FEW_PLACES + 1):
            self.commit(an_accepted_job(1, now=self.later()), at_once=True)

    @precondition(lambda self: self.store.jobs)
    @rule(data=st.data(), times=st.integers(1, 3), is_seen=st.booleans(), at_once=st.booleans())
    def a_job_moves(self, data: st.DataObject, times: int, is_seen: bool, at_once: bool) -> None:
        """So often, before any of it is announced; it is seen by one who comes just then."""
        job_id = self.a_job(data)
        for _ in range(times):
            job = self.store.jobs[job_id]
            image = next((image for image in job.images if not image.status.is_final), None)
            if image is not None:
                move = complete if image.published_at else publish
                self.commit(move(job, image.index, now=self.later()), at_once=False)
        if is_seen:
            self.begin(Reader(), is_slow=False)
        if at_once:
            self.announce_all()

    @precondition(lambda self: self.store.jobs)
    @rule(data=st.data(), at_once=st.booleans())
    def a_job_is_deleted(self, data: st.DataObject, at_once: bool) -> None:
        job_id = self.a_job(data)
        self.store.delete(job_id)
        self.to_announce.append(job_id)
        if at_once:
            self.announce_all()

    @rule()
    def what_was_committed_is_announced(self) -> None:
        self.announce_all()

    @precondition(lambda self: self.to_announce)
    @rule(seconds=st.sampled_from([0, 0.1]))
    def the_first_of_it_is_announced(self, seconds: float) -> None:
        """And told, if there is time."""
        self.announce(self.to_announce.pop(0))
        self.loop.turn(seconds)

    # What happens to those who follow

    @rule(is_slow=st.booleans())
    def somebody_comes(self, is_slow: bool) -> None:
        self.begin(Reader(), is_slow=is_slow)

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), is_slow=st.booleans())
    def one_comes_back(self, data: st.DataObject, is_slow: bool) -> None:
        """To whom the last that it was sent is perhaps not known."""
        old = self.leaves(data)
        self.begin(Reader(old.after, dict(old.known)), is_slow=is_slow)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def one_leaves(self, data: st.DataObject) -> None:
        self.leaves(data)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def one_reads_no_more(self, data: st.DataObject) -> None:
        self.a_reader(data).transport.stop_reading()

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), size=st.integers(1, 3000))
    def one_reads_a_little(self, data: st.DataObject, size: int) -> None:
        self.loop.call(self.a_reader(data).transport.read, size)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def one_reads_all_again(self, data: st.DataObject) -> None:
        self.loop.call(self.a_reader(data).transport.go_on_reading)

    # Time, and the process

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.2]))
    def time_goes_by(self, seconds: float) -> None:
        self.loop.turn(seconds)

    @rule()
    def the_process_starts_anew(self) -> None:
        """And all come back to it; what was not announced never is."""
        self.loop.call(self.store.let_all_go)
        before, self.readers = self.readers, []
        for reader in before:
            reader.read()
            self.loop.call(self.loop.create_task, reader.leave())
        self.begin_life()
        for reader in before:
            self.begin(Reader(reader.after, dict(reader.known)), is_slow=False)

    # What holds at any time

    @invariant()
    def what_was_read_is_right(self) -> None:
        self.loop.settle()
        for reader in self.readers:
            reader.read()

    @invariant()
    def no_job_is_held_whom_nobody_is_to_be_told_of(self) -> None:
        if not self.readers:
            places = self.board.places.after(0, up_to=self.board.places.newest, limit=FEW_PLACES)
            assert all(place.state is None for place in places)

    # How it ends

    def all_comes_to_rest(self) -> None:
        self.announce_all()
        self.loop.call(self.store.let_all_go)
        for reader in self.readers:
            self.loop.call(reader.transport.go_on_reading)
        self.loop.turn(1)
        self.loop.settle(300)
        self.what_was_read_is_right()

    def knows_all(self, reader: Reader) -> None:
        assert reader.ends == []
        assert reader.decoder.is_between_messages
        present = [job_fields(JobSummary.of(job)) for job in self.store.jobs.values()]
        assert reader.known == {job["job_id"]: job for job in json.loads(to_json({"jobs": present}))["jobs"]}

    # Helpers

    def later(self) -> Any:
        self.moment += timedelta(seconds=1)
        return self.moment

    def commit(self, change: Change, *, at_once: bool) -> None:
        self.store.commit(change)
        self.to_announce.append(change)
        if at_once:
            self.announce_all()

    def announce_all(self) -> None:
        """In the order of the commits."""
        while self.to_announce:
            self.announce(self.to_announce.pop(0))

    def announce(self, news: Change | str) -> None:
        tell = self.hub.announce_deleted if isinstance(news, str) else self.hub.announce
        self.loop.call(tell, news)

    def a_job(self, data: st.DataObject) -> str:
        job_id: str = data.draw(st.sampled_from(list(self.store.jobs)))
        return job_id

    def a_reader(self, data: st.DataObject) -> Reader:
        reader: Reader = data.draw(st.sampled_from(self.readers))
        return reader

    def begin(self, reader: Reader, *, is_slow: bool) -> None:
        if is_slow:
            reader.transport.stop_reading()
        self.readers.append(reader)
        self.loop.call(reader.begin, self.board)

    def leaves(self, data: st.DataObject) -> Reader:
        reader = self.a_reader(data)
        self.readers.remove(reader)
        reader.read()
        self.loop.call(self.loop.create_task, reader.leave())
        return reader


TestFollowing = Following.TestCase
Following.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
