"""Gets the originals of images that were accepted as a URL.

Each try is committed before it is made: an image whose download kills the process runs out of tries. One that is
cut by a stop gets its try back. Downloads run side by side within bounds, in all and by host, jobs taking turns
(`next_downloads`). A host that asks for a pause gets it for all its images.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import timedelta

import structlog
from attrs import define, field, frozen

from gateway.domain.events import Change
from gateway.domain.job import Failure, Image, Job, Original
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed
from gateway.domain.schedule import Waiting
from gateway.domain.transitions import (
    begin_fetch,
    fail,
    fetch_later,
    fetched,
    fetched_and_reused,
    put_off_fetch,
)
from gateway.errors import ContentError, GatewayError
from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadError
from gateway.fetch.hosts import Places
from gateway.fetch.settings import FetchSettings
from gateway.jobs.fetching.next_downloads import Next, NextDownloads
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import Content, Originals
from gateway.jobs.reuse import Reuse
from gateway.pacing import keep_doing, pause_after
from gateway.ports.backlog import Backlog
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound, JobStore
from gateway.ports.reuse import SourceGone
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_OWN_TROUBLE_PAUSE_S = 5.0
_LONGEST_OWN_TROUBLE_PAUSE_S = 20.0
_GIVE_BACK_S = 2.0  # within what a stop allows the services
_BREATH_S = 0.1
"""Between looks that find nothing over many jobs: else one after each commit of whatever kind would take a core."""


@frozen
class _Running:
    host: str
    task: asyncio.Task[None]


@define(eq=False)
class Fetcher:
    """A Service: at most `concurrency` downloads at once, `per_host` from one host, at most `tries` for an image."""

    _ledger: Ledger
    _jobs: JobStore
    _backlog: Backlog
    _downloader: Downloader
    _originals: Originals
    _reuse: Reuse
    _clock: Clock
    _settings: FetchSettings
    _poll_s: float
    _max_running_jobs: int
    _metrics: Metrics
    name: str = "fetcher"
    _bell: asyncio.Event = field(init=False)
    _next: NextDownloads = field(init=False)
    _running: dict[Waiting, _Running] = field(factory=dict)
    _has_room: asyncio.Event = field(init=False, factory=asyncio.Event)
    _trouble: int = 0
    _rests_until: float = float("-inf")

    @_bell.default
    def _at_work(self) -> asyncio.Event:
        return self._ledger.work.bell()

    @_next.default
    def _none_looked_for_yet(self) -> NextDownloads:
        return NextDownloads(
            self._jobs,
            self._backlog,
            self._clock,
            self._max_running_jobs,
            # As many again as may run, for those that run are still among those that wait.
            page_size=2 * self._settings.concurrency,
        )

    async def run(self) -> None:
        """Work until cancelled; downloads in hand are given up and made by the next start."""
        try:
            await keep_doing(self.name, self._look, bell=self._bell, pause_s=self._poll_s)
        finally:
            tasks = [running.task for running in self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        """As `run_once`; one that did not go over all jobs is followed by the next, after a breath."""
        self._has_room.clear()
        if await self.run_once():
            with suppress(TimeoutError):
                async with asyncio.timeout(_BREATH_S):
                    await self._has_room.wait()
            self._bell.set()

    async def run_once(self) -> bool:
        """Start the downloads that wait, as far as there is room. Returns whether there are more to look at."""
        hosts = [running.host for running in self._running.values()]
        places = Places(self._settings.concurrency, self._settings.per_host, running=hosts)
        if not places.is_any_left() or self._clock.monotonic() < self._rests_until:
            return False
        async with aclosing(self._next.found(self._running, places)) as downloads:
            async for download in downloads:
                self._start(download)
        return self._next.is_cut

    async def wait_for_downloads(self) -> None:
        """Until those that were started have ended."""
        await asyncio.gather(*[running.task for running in self._running.values()])

    def _start(self, download: Next) -> None:
        image = download.image
        task = asyncio.create_task(self._fetch(image), name=f"fetch-{image.job_id}-{image.index}")
        self._running[image] = _Running(download.host, task)
        task.add_done_callback(lambda _: self._ended(image))

    def _ended(self, image: Waiting) -> None:
        task = self._running.pop(image).task
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("download crashed", job_id=image.job_id, index=image.index, exc_info=bug)
        self._has_room.set()
        self._bell.set()

    async def _fetch(self, waiting: Waiting) -> None:
        with structlog.contextvars.bound_contextvars(job_id=waiting.job_id, index=waiting.index):
            try:
                await self._try_once(waiting)
            except JobNotFound:
                log.info("job of a download is gone")
            except GatewayError as error:
                await self._rest(waiting, error)

    async def _rest(self, waiting: Waiting, error: GatewayError) -> None:
        """A store of ours is down: no site is asked again for what we can't keep, longer each time."""
        resting_s = self._rests_until - self._clock.monotonic()
        if resting_s > 0:  # downloads that fail together are one trouble
            await self._put_off(waiting, resting_s)
            return
        self._trouble += 1
        pause_s = min(_OWN_TROUBLE_PAUSE_S * 2 ** min(self._trouble - 1, 10), _LONGEST_OWN_TROUBLE_PAUSE_S)
        self._rests_until = self._clock.monotonic() + pause_s
        log.warning("downloads rest", reason=str(error), pause_s=pause_s)
        await self._put_off(waiting, pause_s)

    async def _put_off(self, waiting: Waiting, pause_s: float) -> None:
        """Our own trouble costs the image no try, unless even that can't be written down."""
        not_before = self._clock.now() + timedelta(seconds=pause_s)
        with suppress(GatewayError):
            await self._change(waiting, lambda job, index: put_off_fetch(job, index, not_before))

    async def _try_once(self, waiting: Waiting) -> None:
        begun = await self._change(waiting, lambda job, index: begin_fetch(job, index, self._clock.now()))
        if begun is None:
            return
        image = begun.job.images[waiting.index]
        if image.tries > self._settings.tries:
            await self._give_up(waiting, Failure("download_failed", "the download was tried too often"))
            return
        try:
            original = await self._get(image)
            await self._fetched(waiting, original, begun.job.options)
        except ContentError as error:
            await self._after(error, waiting, image)
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GIVE_BACK_S):
                    await self._put_off(waiting, 0)
            raise

    async def _get(self, image: Image) -> Original:
        begun = self._clock.monotonic()
        async with self._downloader.open(image.source_url or "") as chunks:
            original = await self._originals.store(image.trace_id, Content(chunks))
        spent = self._clock.monotonic() - begun
        self._metrics.jobs.image_stage_seconds.of(stage="download").observe(spent)
        self._metrics.jobs.received_bytes.of(source="url").add(original.size)
        log.info("image fetched", trace_id=image.trace_id, bytes=original.size)
        return original

    async def _fetched(self, waiting: Waiting, original: Original, options: BatchOptions) -> None:
        """The image waits for its place in the broker, unless its bytes were analysed before."""
        analysed = await self._reuse.of(original, options)
        if analysed is None or not await self._completed(waiting, original, analysed):
            await self._change(waiting, lambda job, index: fetched(job, index, original))
        self._trouble = 0

    async def _completed(self, waiting: Waiting, original: Original, analysed: Analysed) -> bool:
        """Whether it is, by what another image lent: that one may have been removed meanwhile."""
        now = self._clock.now()
        with suppress(SourceGone):
            await self._change(
                waiting, lambda job, index: fetched_and_reused(job, index, original, analysed, now)
            )
            return True
        return False

    async def _after(self, error: ContentError, waiting: Waiting, image: Image) -> None:
        self._metrics.jobs.download_errors.of(code=error.code).add()
        if isinstance(error, DownloadError) and error.retryable:
            pause_s = _pause_after(error, image.tries)
            if error.resting_host is not None:
                self._next.rests.begin(error.resting_host, now=self._clock.monotonic(), pause_s=pause_s)
            if image.tries < self._settings.tries:
                await self._come_again(error, waiting, image, pause_s)
                return
        log.info("download failed", trace_id=image.trace_id, reason=str(error), code=error.code)
        await self._give_up(waiting, Failure(error.code, error.text))

    async def _come_again(self, error: DownloadError, waiting: Waiting, image: Image, pause_s: float) -> None:
        not_before = self._clock.now() + timedelta(seconds=pause_s)
        await self._change(waiting, lambda job, index: fetch_later(job, index, not_before))
        log.info("download comes again", trace_id=image.trace_id, reason=str(error), pause_s=pause_s)

    async def _give_up(self, waiting: Waiting, failure: Failure) -> None:
        await self._change(waiting, lambda job, index: fail(job, index, failure, self._clock.now()))

    async def _change(self, waiting: Waiting, decide: Callable[[Job, int], Change | None]) -> Change | None:
        return await self._ledger.change(waiting.job_id, lambda job: decide(job, waiting.index))


def _pause_after(error: DownloadError, tries: int) -> float:
    """Seconds: ours, or the longer one that the site asked for."""
    ours = pause_after(tries, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
    return max(ours, error.retry_after_s or 0.0)
