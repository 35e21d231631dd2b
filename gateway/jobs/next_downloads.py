"""Which downloads begin next.

Jobs take turns, within a job images go by their index, and an image whose host has no place left, or rests, is passed
over: it holds up neither the images behind it nor other jobs. A look goes over a bounded number of jobs and the next
one goes on behind it, so each image is looked at sooner or later however many wait for one host. Whose hosts are all
busy is known without a look into the job, for there may be thousands of such jobs, and a look after each commit.
"""

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Container, Iterator
from typing import Final

from attrs import define, field, frozen

from gateway.domain.job import Image, Job, Stage
from gateway.domain.schedule import Waiting
from gateway.fetch.hosts import Places, Rests, host_of
from gateway.ports.backlog import Backlog
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound, JobStore

_PAGES: Final = 8
"""Of jobs, that one look goes over while it finds too few."""
_KNOWN_JOBS: Final = 2048


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
    _hosts: OrderedDict[str, frozenset[str]] = field(init=False, factory=OrderedDict)
    """Of the jobs that were looked into last: all that are named in their URLs."""
    _after: str | None = None

    async def found(self, running: Container[Waiting], places: Places) -> AsyncGenerator[Next, None]:
        """As many as there are `places` for, each of which has taken its own. Raises Unavailable."""
        seen: set[str] = set()
        for _ in range(_PAGES):
            page = await self._page()
            unseen = [job_id for job_id in page if job_id not in seen]
            async for download in self._turns(unseen, running, places):
                self._after = download.image.job_id
                yield download
            if not places.is_any_left() or not unseen or len(page) < self._page_size:
                return
            seen.update(unseen)
            self._after = unseen[-1]

    async def _page(self) -> list[str]:
        waiting = await self._backlog.to_fetch(
            self._clock.now(), limit=self._page_size, max_running=self._max_running_jobs, after=self._after
        )
        return list(waiting)

    async def _turns(
        self, job_ids: list[str], running: Container[Waiting], places: Places
    ) -> AsyncGenerator[Next, None]:
        """One image of each job in turn, until there is no place left or nothing that fits."""
        lanes = deque[Iterator[Next]]()
        for job_id in job_ids:
            if self._may_fit(job_id, places) and (job := await self._job(job_id)) is not None:
                lanes.append(self._fitting(job, running, places))
        while lanes and places.is_any_left():
            lane = lanes.popleft()
            download = next(lane, None)
            if download is not None:
                places.take(download.host)
                yield download
                lanes.append(lane)

    def _may_fit(self, job_id: str, places: Places) -> bool:
        hosts = self._hosts.get(job_id)
        return hosts is None or any(self._is_free(host, places) for host in hosts)

    def _is_free(self, host: str, places: Places) -> bool:
        return places.is_left_for(host) and self.rests.is_over(host, now=self._clock.monotonic())

    async def _job(self, job_id: str) -> Job | None:
        try:
            job = await self._jobs.get(job_id)
        except JobNotFound:
            return None
        if job_id not in self._hosts:
            self._hosts[job_id] = frozenset(host_of(url) for image in job.images if (url := image.source_url))
        self._hosts.move_to_end(job_id)
        if len(self._hosts) > _KNOWN_JOBS:
            self._hosts.popitem(last=False)
        return job

    def _fitting(self, job: Job, running: Container[Waiting], places: Places) -> Iterator[Next]:
        """Places are asked for when an image is drawn, for those drawn before it took theirs."""
        for image in job.images:
            if not self._is_due(image) or Waiting(job.job_id, image.index) in running:
                continue
            host = host_of(image.source_url or "")
            if self._is_free(host, places):
                yield Next(Waiting(job.job_id, image.index), host)

    def _is_due(self, image: Image) -> bool:
        if image.stage is not Stage.FETCH:
            return False
        return image.not_before is None or image.not_before <= self._clock.now()
