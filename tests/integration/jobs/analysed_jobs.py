"""Jobs whose images were analysed, on the real stores, and what the cleaner leaves of them."""

from gateway.domain.job import Image, Job
from gateway.messages import encode
from gateway.ports.object_store import Bucket
from gateway.processor.tags import write_tags
from tests.integration.jobs.batches import Member
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_collector import WORDS, collect, result
from tests.photos import a_jpeg

DAY_S = 24 * 3600
"""An ended job is kept for so long."""


async def analysed(parts: Parts, *members: Member) -> Job:
    """The job of these, all of its images tagged."""
    return await analyse(parts, await parts.submitted(*members))


async def analyse(parts: Parts, job: Job) -> Job:
    """Its images are tagged, and it has ended."""
    await parts.dispatcher.run_once()
    for image in job.images:
        message = result(job, image.index)
        await parts.put(Bucket.PROCESSED, message.processed_path, write_tags(a_jpeg(), WORDS))
        await collect(parts, encode(message))
    return await parts.jobs.get(job.job_id)


async def clean_after(parts: Parts, seconds: float) -> None:
    parts.clock.turn(seconds)
    await parts.cleaner.run_once()


def copy_of(image: Image) -> str:
    """Where the tagged copy lies among `Parts.files`."""
    return f"processed/{image.processed_path}"
