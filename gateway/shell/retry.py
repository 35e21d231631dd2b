"""Has a gateway try failed images of a job again, and follows the new job to its end."""

from collections.abc import Sequence
from pathlib import Path

from gateway.client import ClientError, GatewayClient, Submitted
from gateway.shell.report import Lines, live_report
from gateway.shell.submit import Submission, telling_jobs_when_stopped, why_waiting


async def retry_images(
    url: str, job_id: str, indices: Sequence[int], *, follow: bool
) -> tuple[Submission, int]:
    """Those of these indices, or without any all that failed; with how many they are. Raises ClientError."""
    job_ids: list[str] = []
    async with GatewayClient(url) as gateway:
        await gateway.check()
        told = Lines(total=0)
        retried = await gateway.retry(
            job_id, indices or None, on_wait=lambda error: told.waiting(why_waiting(error))
        )
        names = await _names(gateway, retried)
        with telling_jobs_when_stopped(job_ids), live_report(len(names)) as report:
            submission = Submission(gateway, report, follow=follow, job_ids=job_ids)
            await submission.accepted(retried.job_id, names)
    return submission, len(names)


async def _names(gateway: GatewayClient, retried: Submitted) -> Sequence[Path]:
    """Of its images. The job goes on whether we get to know them or not, so an error names it."""
    try:
        job = await gateway.status(retried.job_id)
    except ClientError as error:
        raise ClientError(f"{error}; the images are tried again as job {retried.job_id}") from error
    return [Path(image.original_filename) for image in job.images]
