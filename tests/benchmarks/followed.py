"""A server and those who follow its jobs, each in a process of its own, as whoever measures them drives them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from attrs import define, field

from tests.benchmarks.delays import Delays
from tests.benchmarks.subscribers import subscribe
from tests.benchmarks.worker import Worker

PAUSE_S: Final = 0.06
"""Longer than a gateway waits for further events to be joined."""
_REST_S: Final = 0.03
"""Longer than it takes to write to all."""


@define(eq=False)
class Followed:
    """`opening`: how many messages everybody gets first."""

    server: Worker
    crowd: Worker
    _opening: int
    _paths: Sequence[str] = ()
    _job_ids: list[str] = field(factory=list)
    _port: int = 0

    def follow(self, subscribers: int, *, images: int, jobs: int = 1) -> None:
        """So many of new jobs, by turns; those who followed others before are gone."""
        self.crowd.ask("leave")
        self._port, self._job_ids = self.server.ask("begin", jobs, images)
        self._paths = [f"/api/v1/batch/{job_id}/ws" for job_id in self._job_ids]
        paths = [self._paths[number % jobs] for number in range(subscribers)]
        self.crowd.ask("connect", self._port, paths, self._opening)

    def stall(self, subscribers: int, receive_buffer: int) -> None:
        """So many more follow the first job, and never read."""
        self.crowd.ask("connect_idlers", self._port, [self._paths[0]] * subscribers, receive_buffer)

    def cpu_s(self) -> float:
        seconds: float = self.server.ask("cpu")
        return seconds

    def tell(self, updates: int, times: int) -> None:
        """Of so many committed updates at once, so many times, each time until everybody has all.

        There is a pause in between, in which all caches go cold: a gateway has one by itself, and whoever had none
        would have it easier. They begin to read when all was written: to wake them each time, and to make room for
        them, would be counted as the server's time, which has them on other machines.
        """
        for _ in range(times):
            due = time.monotonic() + PAUSE_S
            self.crowd.tell("expect", updates, _REST_S)
            self.server.ask("announce", updates)
            self.crowd.answer()
            time.sleep(max(due - time.monotonic(), 0.0))

    def burst(self, images: int, at_once: int) -> None:
        """Let so many images end, `at_once` in one commit, until everybody has heard of all."""
        self.crowd.tell("expect", images)
        self.server.ask("burst", images, at_once)
        self.crowd.answer()

    def delays(self, changes: int, every_s: float) -> Delays:
        """From commits at that pace, each to all who follow the job. Everybody follows one job, and all alike."""
        jobs = len(self._job_ids)
        self.crowd.ask("keep_arrivals")
        self.crowd.tell("expect", changes // jobs)
        made = self.server.ask("change", changes, every_s)
        self.crowd.answer()
        place = {job_id: number for number, job_id in enumerate(self._job_ids)}
        committed = {(place[job_id], seq): when for job_id, seq, when in made}
        return Delays.of(committed, self.crowd.ask("arrivals"), jobs)


@contextmanager
def followed(serve: Callable[[Connection], None], *, opening: int = 0) -> Iterator[Followed]:
    with Worker(serve) as server, Worker(subscribe) as crowd:
        yield Followed(server, crowd, opening)
