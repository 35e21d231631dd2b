"""What a client gets for a batch that was accepted: enough to answer a repeat of its request word for word."""

from datetime import datetime

from attrs import frozen

from gateway.domain.job import Job, Status


@frozen(kw_only=True)
class Receipt:
    """The job as it was when it was accepted; `images` is how many it has, `retry_of` the job it tries again."""

    job_id: str
    status: Status
    created_at: datetime
    images: int
    retry_of: str | None = None


def receipt_of(job: Job) -> Receipt:
    """Of a job that has just been accepted."""
    return Receipt(
        job_id=job.job_id,
        status=job.status,
        created_at=job.created_at,
        images=len(job.images),
        retry_of=job.retry_of,
    )


@frozen(kw_only=True)
class Answer:
    """The first answer to an idempotency key, good until `expires_at`.

    `fingerprint` is of what was asked for: another request under the same key is a mistake of its client.
    """

    key: str
    fingerprint: str
    receipt: Receipt
    expires_at: datetime
