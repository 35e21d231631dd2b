"""Downloads of a gateway's parts, begun by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import evolve

from gateway.domain.job import Image, Job
from gateway.fetch.downloader import Downloader
from gateway.fetch.settings import FetchSettings
from gateway.jobs.fetching.fetcher import Fetcher
from tests.integration.jobs.parts import Parts
from tests.patience import PATIENCE_S
from tests.servers.web import Site


@asynccontextmanager
async def fetching(
    parts: Parts, *sites: Site, poll_s: float = 1.0, **changes: object
) -> AsyncIterator[Fetcher]:
    settings = evolve(
        FetchSettings(
            allowed_networks=tuple(site.network for site in sites),
            allowed_ports=tuple(site.port for site in sites),
        ),
        **changes,  # type: ignore[arg-type]
    )
    async with Downloader.create(settings, max_bytes=parts.intake.max_image_bytes) as downloader:
        yield Fetcher(
            ledger=parts.ledger,
            jobs=parts.jobs,
            backlog=parts.jobs,
            downloader=downloader,
            originals=parts.originals,
            reuse=parts.reuse,
            clock=parts.clock,
            settings=settings,
            poll_s=poll_s,
            max_running_jobs=parts.settings.max_running_jobs,
            metrics=parts.metrics,
        )


async def fetched_once(parts: Parts, fetcher: Fetcher, job: Job) -> tuple[Image, ...]:
    await fetcher.run_once()
    async with asyncio.timeout(PATIENCE_S):
        await fetcher.wait_for_downloads()
    return (await parts.jobs.get(job.job_id)).images
