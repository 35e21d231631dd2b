"""Which downloads begin next.

Jobs take turns, within a job images go by their index, and an image whose host has no place left, or rests, is passed
over: it holds up neither the images behind it nor other jobs. A look goes over a bounded number of jobs and the next
one goes on behind it, so each image is looked at sooner or later however many wait for one host. A job whose hosts are
all busy is not read to see that (`hosts_of_jobs`), for there may be thousands of them, and a look after each commit.
"""

from collections import deque
from collections.abc import AsyncGenerator, Container, Iterator
from contextlib import suppress
from typing import Final

from attrs import define, field, frozen

from gateway.domain.job import Job, Stage
from gateway.domain.schedule import Waiting
from gateway.fetch.hosts import Places, Rests, host_of
from gateway.jobs.fetching.hosts_of_jobs import HostsOfJobs
from gateway.ports.backlog import Backlog
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound, JobStore

_PAGES: Final = 8
"""Of jobs, that one look goes over while it finds too few."""


@frozen
class Next:
    """An image that may be downloaded now."""

    image: Waiting
    host: str


@define(eq=False)
class NextDownloads:
    """Asked whenever there may be room; `rests` is its owner's to fill."""

    _jobs: JobStore
    _backlog: Backlog
    _clock: Clock
    _max_running_jobs: int
    _page_size: int
    rests: Rests = field(factory=Rests)
    _hosts: HostsOfJobs = field(init=False, factory=HostsOfJobs)
    _after: str | None = None
    is_cut: bool = field(init=False, default=False)
    """Whether the last look left places although there are more jobs behind."""

    async def found(self, running: Container[Waiting], places: Places) -> AsyncGenerator[Next, None]:
        """As many as there are `places` for, each of which has taken its own. Raises Unavailable."""
        seen: set[str] = set()
        self.is_cut, served = False, self._after
        for _ in range(_PAGES):
            page = await self._page()
            unseen = [job_id for job_id in page if job_id not in seen]
            async for download in self._turns(unseen, running, places):
                self._after = served = download.image.job_id
                yield download
            if not places.is_any_left() or not unseen or len(page) < self._page_size:
                # It went over all of them, and yet the turn is that of the job behind the last one served.
                self._after = served
                return
            seen.update(unseen)
            self._after = unseen[-1]
        self.is_cut = True

    async def _page(self) -> list[str]:
        waiting = await self._backlog.to_fetch(
            self._clock.now(), limit=self._page_size, max_running=self._max_running_jobs, after=self._after
        )
        return list(waiting)

    async def _turns(
        self, job_ids: list[str], running: Container[Waiting], places: Places
    ) -> AsyncGenerator[Next, None]:
        """One image of each job in turn, until there is no place left or nothing that fits.

        A job is read when its first turn comes: most looks have a place for one or two.
        """
        unread, lanes = deque(job_ids), deque[Iterator[Next]]()
        while (unread or lanes) and places.is_any_left():
            lane = await self._lane(unread.popleft(), running, places) if unread else lanes.popleft()
            download = next(lane, None)
            if download is not None:
                places.take(download.host)
                yield download
                lanes.append(lane)

    async def _lane(self, job_id: str, running: Container[Waiting], places: Places) -> Iterator[Next]:
        """Of a job that is gone, or whose hosts are known to have no place, none."""
        hosts = self._hosts.of(job_id)
        if hosts is None or any(self._is_free(host, places) for host in hosts):
            with suppress(JobNotFound):
                return self._fitting(await self._jobs.get(job_id), running, places)
        return iter(())

    def _fitting(self, job: Job, running: Container[Waiting], places: Places) -> Iterator[Next]:
        """Places are asked for when an image is drawn, for those drawn before it took theirs.

        Once nothing more fits, the hosts of all that wait are known.
        """
        hosts = set[str]()
        for image in job.images:
            if image.stage is not Stage.FETCH:
                continue
            host = host_of(image.source_url or "")
            hosts.add(host)
            if not self._is_free(host, places) or Waiting(job.job_id, image.index) in running:
                continue
            if image.not_before is None or image.not_before <= self._clock.now():
                yield Next(Waiting(job.job_id, image.index), host)
        self._hosts.learn(job.job_id, hosts)

    def _is_free(self, host: str, places: Places) -> bool:
        return places.is_left_for(host) and self.rests.is_over(host, now=self._clock.monotonic())
