"""The news of all jobs: the list first, then what changes, merged by job; who comes back goes on while it can."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from attrs import define, field

from gateway.api.live.websocket.server_messages import BoardMessages
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.events.board.board import PIECE_CHANGES, Board
from gateway.events.board.follower import BoardFollower
from gateway.events.board.places import Places
from gateway.events.follower import End
from gateway.events.latest import LatestJobs
from tests.builders import NOW, an_accepted_job, complete, publish
from tests.hand_loop import HandLoop, hand_loop
from tests.recording_transport import RecordingTransport
from tests.unit.events.board.listed_store import ListedStore
from tests.websocket.decoder import messages_in


@define(eq=False)
class Reader:
    transport: RecordingTransport
    follower: BoardFollower
    ends: list[End]

    def heard(self) -> list[dict[str, Any]]:
        """All since the last call."""
        heard = messages_in(self.transport.taken)
        self.transport.taken.clear()
        return heard

    def told(self) -> list[tuple[str, int]]:
        """Which jobs changed, and how many of their images have ended."""
        return told_in(self.heard())


def told_in(messages: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(message["job"]["job_id"], message["job"]["completed"]) for message in messages]


@define(eq=False)
class Place:
    """A board over a store, and those who follow it."""

    loop: HandLoop
    places: Places = field(factory=Places)
    store: ListedStore = field(factory=ListedStore)
    readers: list[Reader] = field(factory=list)
    board: Board = field(init=False)

    def __attrs_post_init__(self) -> None:
        latest = LatestJobs(self.store)  # type: ignore[arg-type]  # nothing but `get` is asked of it
        self.board = Board(latest, self.store, BoardMessages(20.0), self.places)  # type: ignore[arg-type]  # likewise

    def commit(self, change: Change) -> None:
        self.store.commit(change)

    def announce(self, change: Change) -> Job:
        self.loop.call(self.board.observe, change)
        return change.job

    def tell(self, change: Change) -> Job:
        """Commit and announce."""
        self.commit(change)
        return self.announce(change)

    def follow(self, after: str | None = None, *, room: int | None = None, reads: bool = True) -> Reader:
        transport, ends = RecordingTransport(room), list[End]()
        if not reads:
            transport.stop_reading()
        follower = BoardFollower(self.board, transport.peer(), ends.append, after)
        reader = Reader(transport, follower, ends)
        self.readers.append(reader)
        self.loop.call(follower.start)
        return reader

    def close(self) -> None:
        self.loop.call(self.store.let_all_go)
        for reader in self.readers:
            self.loop.call(reader.follower.stop)


@pytest.fixture
def place() -> Iterator[Place]:
    with hand_loop() as loop:
        place = Place(loop)
        yield place
        place.close()


@pytest.fixture
def narrow() -> Iterator[Place]:
    """There are places for three jobs."""
    with hand_loop() as loop:
        place = Place(loop, Places(capacity=3))
        yield place
        place.close()


def test_the_list_comes_first_and_then_what_changes(place: Place) -> None:
    old, new = place.tell(an_accepted_job(1)), place.tell(an_accepted_job(1))
    reader = place.follow()
    (opening,) = reader.heard()
    assert [job["job_id"] for job in opening["jobs"]] == [new.job_id, old.job_id]
    assert (opening["type"], opening["resumed"], opening["total"]) == ("jobs", False, 2)
    place.tell(publish(old))
    (changed,) = reader.heard()
    assert (changed["type"], changed["job"]["job_id"], changed["job"]["status"]) == (
        "job_changed",
        old.job_id,
        "processing",
    )


def test_a_deleted_job_is_told(place: Place) -> None:
    job, reader = place.tell(an_accepted_job(1)), place.follow()
    reader.heard()
    place.loop.call(place.board.forget, job.job_id)
    assert [(told["type"], told["job_id"]) for told in reader.heard()] == [("job_deleted", job.job_id)]


def test_what_comes_in_a_row_is_joined_and_merged_by_job(place: Place) -> None:
    job, reader = place.tell(an_accepted_job(20)), place.follow()
    reader.heard()
    for index in range(20):
        job = place.tell(publish(job, index))
        job = place.tell(complete(job, index))
    assert reader.told() == [(job.job_id, 0)]
    place.loop.turn(0.1)
    assert reader.told() == [(job.job_id, 20)]


def test_who_comes_back_is_told_what_changed_meanwhile_once_for_each_job(place: Place) -> None:
    one, other = place.tell(an_accepted_job(2)), place.tell(an_accepted_job(2))
    seen = place.follow()
    position = seen.heard()[0]["id"]
    place.loop.call(seen.follower.stop)
    for index in range(2):
        one = place.tell(complete(place.tell(publish(one, index)), index))
    place.loop.call(place.board.forget, other.job_id)
    back = place.follow(after=position)
    opening, changed, deleted = back.heard()
    assert (opening["id"], opening["resumed"], "jobs" in opening) == (position, True, False)
    assert (changed["job"]["job_id"], changed["job"]["completed"]) == (one.job_id, 2)
    assert (deleted["type"], deleted["job_id"]) == ("job_deleted", other.job_id)


@pytest.mark.parametrize("after", ["0", "", "nonsense", "0123456789abcdef:1", "-1"])
def test_who_names_nothing_to_go_on_from_gets_the_list(place: Place, after: str) -> None:
    place.tell(an_accepted_job(1))
    (opening,) = place.follow(after).heard()
    assert opening["resumed"] is False
    assert len(opening["jobs"]) == 1


def test_a_position_of_the_future_is_nothing_to_go_on_from(place: Place) -> None:
    (opening,) = place.follow(f"{place.board.epoch}:1").heard()
    assert opening["resumed"] is False


def test_who_was_away_for_too_many_changes_gets_the_list(narrow: Place) -> None:
    narrow.tell(an_accepted_job(1))
    position = narrow.follow().heard()[0]["id"]
    for _ in range(4):
        narrow.tell(an_accepted_job(1))
    (opening,) = narrow.follow(after=position).heard()
    assert (opening["resumed"], opening["total"]) == (False, 5)


def test_a_job_that_changes_ten_thousand_times_takes_the_place_of_no_other(narrow: Place) -> None:
    quiet, busy = narrow.tell(an_accepted_job(1)), narrow.tell(an_accepted_job(1))
    seen = narrow.follow()
    position = seen.heard()[0]["id"]
    narrow.loop.call(seen.follower.stop)
    narrow.tell(publish(quiet))
    moved = publish(busy)
    narrow.commit(moved)
    for _ in range(10_000):
        narrow.board.observe(moved)
    opening, *changes = narrow.follow(after=position).heard()
    assert opening["resumed"] is True
    assert [change["job"]["job_id"] for change in changes] == [quiet.job_id, busy.job_id]


def test_a_slow_reader_is_told_the_newest_of_each_job_alone(place: Place) -> None:
    jobs = [place.tell(an_accepted_job(30)) for _ in range(3)]
    slow = place.follow(room=1000, reads=False)
    for index in range(30):
        jobs = [place.tell(complete(place.tell(publish(job, index)), index)) for job in jobs]
        place.loop.turn(0.1)
    assert slow.transport.get_write_buffer_size() < 5000
    place.loop.call(slow.transport.go_on_reading)
    place.loop.turn(1)
    told = slow.heard()
    assert [message["job"]["completed"] for message in told[-3:]] == [30, 30, 30]
    assert len(told) < 10


def test_a_slow_reader_that_falls_out_gets_the_list_again(narrow: Place) -> None:
    narrow.tell(an_accepted_job(1))
    slow = narrow.follow(room=100, reads=False)
    jobs = [narrow.tell(an_accepted_job(1)) for _ in range(5)]
    narrow.loop.turn(0.2)
    narrow.loop.call(slow.transport.go_on_reading)
    narrow.loop.turn(0.2)
    first, again = slow.heard()
    assert (first["resumed"], again["resumed"]) == (False, False)
    assert {job["job_id"] for job in again["jobs"]} >= {job.job_id for job in jobs}


def test_a_reader_who_keeps_up_gets_the_list_after_a_burst_of_more_jobs_than_there_are_places(
    narrow: Place,
) -> None:
    reader = narrow.follow()
    narrow.tell(an_accepted_job(1))
    reader.heard()
    jobs = [narrow.tell(an_accepted_job(1)) for _ in range(5)]
    narrow.loop.turn(0.1)
    (again,) = reader.heard()
    assert again["resumed"] is False
    assert {job["job_id"] for job in again["jobs"]} >= {job.job_id for job in jobs}


def test_a_burst_of_more_jobs_than_one_piece_is_told_whole(place: Place) -> None:
    reader = place.follow()
    reader.heard()
    jobs = [place.tell(an_accepted_job(1)).job_id for _ in range(3 * PIECE_CHANGES)]
    place.loop.turn(0.1)
    assert [job_id for job_id, _ in reader.told()] == jobs


def test_who_comes_back_after_more_changes_than_one_piece_is_told_them_all(place: Place) -> None:
    jobs = [place.tell(an_accepted_job(1)).job_id for _ in range(3 * PIECE_CHANGES)]
    back = place.follow(f"{place.board.epoch}:0")
    place.loop.settle(500)
    assert [job_id for job_id, _ in told_in(back.heard()[1:])] == jobs


def test_who_comes_back_is_not_told_again_what_it_saw_in_a_list_before_the_others_were_told(
    place: Place,
) -> None:
    early = place.follow()
    place.tell(an_accepted_job(1))
    place.tell(an_accepted_job(1))
    late = place.follow()
    (opening,) = late.heard()
    back = place.follow(opening["id"])
    place.loop.turn(0.1)
    assert [message["resumed"] for message in back.heard()] == [True]
    assert len(early.heard()) == 3


def test_a_job_that_changes_while_another_one_is_read_is_told_once_in_its_new_place(place: Place) -> None:
    one, other = place.tell(an_accepted_job(1)), place.tell(an_accepted_job(1))
    place.store.holds = True
    back = place.follow(f"{place.board.epoch}:0")
    place.tell(publish(other))
    place.loop.call(place.store.let_all_go)
    place.loop.turn(0.1)
    told = back.heard()[1:]
    assert [message["job"]["job_id"] for message in told] == [one.job_id, other.job_id]
    assert [message["job"]["status"] for message in told] == ["pending", "processing"]


def test_many_who_come_at_once_share_one_list(place: Place) -> None:
    place.tell(an_accepted_job(1))
    place.store.holds = True
    readers = [place.follow() for _ in range(20)]
    place.loop.call(place.store.let_all_go)
    assert all(len(reader.heard()) == 1 for reader in readers)
    assert place.store.reads_of_pages == 1


def test_a_change_between_the_list_and_its_end_is_told_behind_it(place: Place) -> None:
    job = place.tell(an_accepted_job(1))
    place.store.holds = True
    reader = place.follow()
    place.tell(publish(job))
    place.loop.call(place.store.let_all_go)
    opening, changed = reader.heard()
    assert (opening["jobs"][0]["status"], changed["job"]["status"]) == ("pending", "processing")


def heard_ahead_of_announcements(place: Place, job: Job, after: str | None = None) -> list[dict[str, Any]]:
    """By a reader who comes when both changes of the job lie in the store, and neither has been announced."""
    begun = publish(job)
    ended = complete(begun.job, now=NOW + timedelta(seconds=1))
    place.commit(begun)
    place.commit(ended)
    reader = place.follow(after)
    place.announce(begun)
    place.announce(ended)
    place.loop.turn(0.1)
    return reader.heard()


def test_no_older_state_comes_after_a_list_that_was_ahead_of_the_announcements(place: Place) -> None:
    job = place.tell(an_accepted_job(1))
    opening, *changes = heard_ahead_of_announcements(place, job)
    assert opening["jobs"][0]["completed"] == 1
    assert [change["job"]["completed"] for change in changes] == [1]


def test_no_older_state_comes_after_a_list_with_a_job_that_has_not_changed_in_this_life(place: Place) -> None:
    accepted = an_accepted_job(1)
    place.commit(accepted)
    opening, *changes = heard_ahead_of_announcements(place, accepted.job)
    assert opening["jobs"][0]["completed"] == 1
    assert [change["job"]["completed"] for change in changes] == [1]


def test_no_older_state_comes_after_one_that_was_read_ahead_of_the_announcements(place: Place) -> None:
    job = place.tell(an_accepted_job(1))
    _, *changes = heard_ahead_of_announcements(place, job, after=f"{place.board.epoch}:0")
    assert [change["job"]["completed"] for change in changes] == [1, 1]


def test_nothing_is_kept_of_how_jobs_are_while_nobody_follows(place: Place) -> None:
    reader = place.follow()
    job = place.tell(an_accepted_job(2))
    job = place.tell(publish(job))
    place.loop.call(reader.follower.stop)
    place.tell(publish(job, 1))
    (kept,) = place.places.after(0, up_to=place.places.newest, limit=10)
    assert (kept.state, kept.message) == (None, None)


def test_a_change_that_no_list_shows_is_not_told(place: Place) -> None:
    job, reader = place.tell(an_accepted_job(1)), place.follow()
    reader.heard()
    place.tell(Change(job))
    assert reader.heard() == []


def test_who_has_stopped_is_told_nothing(place: Place) -> None:
    reader = place.follow()
    reader.heard()
    place.loop.call(reader.follower.stop)
    place.tell(an_accepted_job(1))
    assert reader.heard() == []
    assert reader.ends == []
