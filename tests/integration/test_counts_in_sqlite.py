"""Counters can't drift: whatever happens to jobs, what a file counts is what its images are.

Rows, totals and events are read from the file itself by another SQLite, not through the store.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from attrs import frozen
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change
from gateway.domain.job import Image, Job
from gateway.domain.transitions import (
    AttemptEnd,
    AttemptPolicy,
    attempt_again,
    attempt_lost,
    attempt_refused,
    attempt_rejected,
    attempts_ended,
    begin_fetch,
    cancel,
    fail,
    fetch_later,
    fetched,
    published,
    put_off_fetch,
)
from tests.builders import (
    NOW,
    a_failure,
    a_refused_image,
    a_url_image,
    an_accepted_job,
    an_image,
    some_metadata,
)

T = TypeVar("T")
Decide = Callable[[Job], Change | None]

MOST_JOBS = 3
"""At a time, so that much happens to each."""
FINAL = ("completed", "failed", "cancelled")
POLICY = AttemptPolicy(max_attempts=2)
KINDS = (an_image, an_image, a_url_image, a_refused_image)


def _name(image: Image, is_newest: bool) -> AttemptName:
    return AttemptName(image.trace_id, image.attempt if is_newest else 1)


def _result(image: Image, is_newest: bool, is_good: bool) -> AttemptEnd:
    name = _name(image, is_newest)
    if is_good:
        return AttemptEnd(name, NOW, processed_path=f"{name}/a.jpg", metadata=some_metadata())
    return AttemptEnd(name, NOW, failure=a_failure())


def _original(image: Image) -> Any:
    return an_image(trace_id=image.trace_id).original


STEPS: Mapping[str, Callable[[Job, Image, bool], Change | None]] = {
    "begin_fetch": lambda job, image, _: begin_fetch(job, image.index, NOW),
    "fetch_later": lambda job, image, _: fetch_later(job, image.index, NOW),
    "put_off_fetch": lambda job, image, _: put_off_fetch(job, image.index, NOW),
    "fetched": lambda job, image, _: fetched(job, image.index, _original(image)),
    "published": lambda job, image, newest: published(job, [_name(image, newest)], NOW),
    "completed": lambda job, image, newest: attempts_ended(job, [_result(image, newest, True)])[0],
    "failed": lambda job, image, newest: attempts_ended(job, [_result(image, newest, False)])[0],
    "rejected": lambda job, image, newest: attempt_rejected(
        job, _name(image, newest), a_failure(), POLICY, NOW
    ),
    "refused": lambda job, image, newest: attempt_refused(job, _name(image, newest), a_failure(), NOW),
    "lost": lambda job, image, newest: attempt_lost(job, _name(image, newest), a_failure(), POLICY, NOW),
    "again": lambda job, image, _: attempt_again(job, image.index),
    "given up": lambda job, image, _: fail(job, image.index, a_failure(), NOW),
    "cancelled": lambda job, _, __: cancel(job, NOW),
}
"""Each with the image that it concerns, and whether its newest attempt is meant."""

steps = st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 3), st.booleans())
results_of_four = st.lists(st.sampled_from([True, False, None]), min_size=4, max_size=4)


@frozen
class Counted:
    """One job as its file has it: the row's counts, status and number of events, and what they are counts of."""

    row: Mapping[str, int]
    status: str
    seq: int
    images: Sequence[Mapping[str, Any]]
    stages: Sequence[str]
    events: Sequence[Mapping[str, Any]]

    @property
    def true(self) -> Mapping[str, int]:
        """By the images themselves."""
        ends = Counter(image.get("status", "pending") for image in self.images)
        return {end: ends[end] for end in FINAL} | {
            "open": len(self.images) - sum(ends[end] for end in FINAL)
        }


@frozen
class File:
    """All of it, read at once."""

    jobs: Sequence[Counted]
    tallies: Mapping[str, tuple[int, int]]
    """Of each status: jobs, and images that ended so."""

    @classmethod
    def read(cls, path: Path) -> "File":
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
            file.row_factory = sqlite3.Row
            jobs = [_counted(file, row) for row in file.execute("SELECT * FROM jobs")]
            tallies = {
                row["status"]: (row["jobs"], row["images"]) for row in file.execute("SELECT * FROM tallies")
            }
        return cls(jobs, tallies)


def _counted(file: sqlite3.Connection, job: sqlite3.Row) -> Counted:
    between = (job["first_place"], job["last_place"])
    images = file.execute(
        "SELECT * FROM images WHERE place BETWEEN ? AND ? ORDER BY place", between
    ).fetchall()
    events = file.execute(
        "SELECT * FROM events WHERE place BETWEEN ? AND ? ORDER BY place", between
    ).fetchall()
    return Counted(
        row={name: job[name] for name in (*FINAL, "open")},
        status=job["status"],
        seq=job["seq"],
        images=[json.loads(image["data"]) for image in images],
        stages=[image["stage"] for image in images],
        events=[json.loads(event["data"]) for event in events],
    )


class Jobs(RuleBasedStateMachine):
    """Everything that can happen to some jobs of one store, alone and in one commit with others."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "jobs.sqlite"
        self.job_ids: list[str] = []
        self.sizes: dict[str, int] = {}

    @initialize()
    def opens(self) -> None:
        self.stack = AsyncExitStack()
        opening = SqliteJobStore.open(self.path, synchronous="normal")
        self.store = self.run(self.stack.enter_async_context(opening))

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @precondition(lambda self: len(self.job_ids) < MOST_JOBS)
    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    def a_job_is_accepted(self, kinds: Sequence[Callable[[int], Image]]) -> None:
        accepted = an_accepted_job([make(index) for index, make in enumerate(kinds)])
        self.run(self.store.add(accepted, reserved=[]))
        self.job_ids.append(accepted.job.job_id)
        self.sizes[accepted.job.job_id] = len(kinds)

    @precondition(lambda self: self.job_ids)
    @rule(data=st.data(), step=steps)
    def one_thing_happens(self, data: st.DataObject, step: tuple[str, int, bool]) -> None:
        self.run(self.store.update(self.any_job(data), decided(step)))

    @precondition(lambda self: self.job_ids)
    @rule(data=st.data(), steps=st.lists(steps, min_size=2, max_size=6), fails=st.booleans())
    def much_happens_at_once(
        self, data: st.DataObject, steps: Sequence[tuple[str, int, bool]], fails: bool
    ) -> None:
        """In one commit; perhaps with one thing that fails among them, and one whose caller leaves."""
        changes = [self.store.update(self.any_job(data), decided(step)) for step in steps]
        if fails:
            changes.insert(1, self.store.update(self.any_job(data), a_bug))
        self.run(gathered(changes, leaves=fails))

    @precondition(lambda self: self.job_ids)
    @rule(data=st.data(), results=results_of_four)
    def results_come_together(self, data: st.DataObject, results: Sequence[bool | None]) -> None:
        def decide(job: Job) -> Change | None:
            told = zip(job.images, results, strict=False)
            ends = [_result(image, True, is_good) for image, is_good in told if is_good is not None]
            return attempts_ended(job, ends)[0]

        self.run(self.store.update(self.any_job(data), decide))

    @precondition(lambda self: self.job_ids)
    @rule(data=st.data())
    def a_job_is_deleted(self, data: st.DataObject) -> None:
        job_id = self.any_job(data)
        self.run(self.store.delete(job_id))
        self.job_ids.remove(job_id)

    @rule(is_clean=st.booleans())
    def the_gateway_starts_again(self, is_clean: bool) -> None:
        if is_clean:
            self.run(self.store.take_back_publishes())
        self.run(self.stack.aclose())
        self.opens()
        self.run(self.store.forget_publishes())

    @invariant()
    def each_row_counts_its_images(self) -> None:
        for job in self.read().jobs:
            assert job.row == job.true
            assert sum(job.row.values()) == len(job.images)
            assert (job.status in FINAL) == (job.row["open"] == 0)

    @invariant()
    def each_image_is_where_its_state_says(self) -> None:
        for job in self.read().jobs:
            for image, stage in zip(job.images, job.stages, strict=True):
                assert (stage == "ended") == (image.get("status") in FINAL)
                assert (stage == "result") == (stage != "ended" and "published_at" in image)

    @invariant()
    def the_totals_are_those_of_the_rows(self) -> None:
        file = self.read()
        jobs, images = Counter(job.status for job in file.jobs), Counter[str]()
        for job in file.jobs:
            images.update({end: job.row[end] for end in FINAL})
        assert file.tallies == {status: (jobs[status], images[status]) for status in file.tallies}
        assert sum(jobs.values()) == len(self.job_ids)

    @invariant()
    def events_count_the_ends_that_they_tell(self) -> None:
        for job in self.read().jobs:
            ends: Counter[str] = Counter()
            for event in job.events:
                if event["type"] == "image_complete":
                    ends[event["image"]["status"]] += 1
                told = {end: ends[end] for end in FINAL}
                assert event["counts"] == told | {"open": len(job.images) - sum(told.values())}
            assert [event["seq"] for event in job.events] == list(range(1, job.seq + 1))
            assert job.events[-1]["counts"] == job.row
            assert job.events[-1]["status"] == job.status

    @invariant()
    def the_store_tells_what_its_file_says(self) -> None:
        if not self.job_ids:
            return
        page = self.run(self.store.page(limit=100))
        told = [{end: getattr(job.counts, end) for end in (*FINAL, "open")} for job in reversed(page.jobs)]
        assert told == [job.row for job in self.read().jobs]
        assert page.total == len(self.job_ids)
        for job_id in self.job_ids:
            job = self.run(self.store.get(job_id))
            assert job.counts.total == len(job.images) == self.sizes[job_id]

    def read(self) -> File:
        return File.read(self.path) if self.path.exists() else File([], {})

    def any_job(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.job_ids))


def decided(step: tuple[str, int, bool]) -> Decide:
    kind, at, is_newest = step
    return lambda job: STEPS[kind](job, job.images[at % len(job.images)], is_newest)


def a_bug(_: Job) -> Change | None:
    raise ZeroDivisionError


async def gathered(changes: Sequence[Coroutine[Any, Any, object]], *, leaves: bool) -> None:
    tasks = [asyncio.ensure_future(change) for change in changes]
    await asyncio.sleep(0)
    if leaves:
        tasks[0].cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends if isinstance(end, BaseException)} <= {
        ZeroDivisionError,
        asyncio.CancelledError,
    }


# Not shrunk: each step waits for a disk, and the test's time would be over before that is.
Jobs.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, phases=(Phase.reuse, Phase.generate)
)
TestAnyLifeOfSomeJobs = Jobs.TestCase
