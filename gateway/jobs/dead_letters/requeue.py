"""Send an image again whose attempt ended as a dead letter: somebody has looked at it, and wants another try.

An open image gets another attempt, a failed one a new job. The letter is taken away in the same transaction, so it is
good for one.
"""

import structlog
from attrs import define, frozen

from gateway.domain.attempt import AttemptName
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Image, Job, Status
from gateway.domain.transitions import attempt_again
from gateway.errors import Conflict
from gateway.jobs.accepting.retry import Retry
from gateway.jobs.ledger import Ledger
from gateway.ports.dead_letters import DeadLetterStore
from gateway.ports.job_store import JobNotFound, TakenLetter

log = structlog.get_logger(__name__)


@frozen
class SentAgain:
    """An image of a job, and the attempt that it waits for now."""

    job_id: str
    index: int
    name: AttemptName


class _HasFailed(Exception):
    """The image of that index: no attempt of it can be made any more."""

    def __init__(self, index: int) -> None:
        self.index = index


@define(eq=False)
class Requeue:
    """A use case."""

    _ledger: Ledger
    _letters: DeadLetterStore
    _retry: Retry

    async def __call__(self, dead_letter_id: str) -> SentAgain | Job:
        """The next attempt of its image, or, where the image has failed, the committed new job of it.

        Raises DeadLetterNotFound, also when another was quicker; Conflict when the image was completed or cancelled,
        when its job is gone, and as Retry; Unavailable, NoRoom.
        """
        letter = await self._letters.letter(dead_letter_id)
        try:
            return await self._send_again(letter)
        except _HasFailed as failed:
            return await self._try_anew(letter, failed.index)
        except JobNotFound as error:
            raise _job_gone() from error

    async def _send_again(self, letter: DeadLetter) -> SentAgain:
        taken = TakenLetter(letter.dead_letter_id)
        change = await self._ledger.change(
            letter.job_id, lambda job: _another_attempt(job, letter), companions=[taken]
        )
        assert change is not None  # noqa: S101 - else the decision raises
        image = _image_of(change.job, letter)
        name = AttemptName(image.trace_id, image.attempt)
        log.info("dead letter requeued", job_id=letter.job_id, trace_id=str(name))
        return SentAgain(letter.job_id, image.index, name)

    async def _try_anew(self, letter: DeadLetter, index: int) -> Job:
        taken = TakenLetter(letter.dead_letter_id)
        try:
            job = await self._retry(letter.job_id, [index], companions=lambda _: [taken])
        except JobNotFound as error:
            raise _job_gone() from error
        log.info("dead letter requeued", job_id=job.job_id, trace_id=job.images[0].trace_id)
        return job


def _job_gone() -> Conflict:
    return Conflict("The job of this dead letter is gone, and its images with it.", code="job_gone")


def _image_of(job: Job, letter: DeadLetter) -> Image:
    """Raises JobNotFound when it is of another job."""
    image = job.image_of(letter.trace_id)
    if image is None:
        raise JobNotFound("There is no such job.", detail=f"{letter.trace_id} is no image of {job.job_id}")
    return image


def _another_attempt(job: Job, letter: DeadLetter) -> Change:
    """Raises _HasFailed, or Conflict when the image has ended otherwise."""
    image = _image_of(job, letter)
    if image.status is Status.FAILED:
        raise _HasFailed(image.index)
    change = attempt_again(job, image.index)
    if change is None:
        raise Conflict(
            f"Image {image.index} is {image.status}: no further attempt of it is made.", code="image_ended"
        )
    return change
