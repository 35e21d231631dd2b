"""How a job changes: each function takes the job as it is and what happened, and decides what it becomes.

None means that nothing changes: the news is late, repeated or out of turn, which is normal on a broker that
delivers at least once and in any order. Results of several attempts: while the image is open, the first completed
one of any attempt wins; a failure counts only from the newest attempt.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import evolve, frozen

from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change, Event, EventType
from gateway.domain.job import Counts, Failure, Image, Job, Original, Stage, Status
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed, reused
from gateway.metadata import Metadata

_ON_ITS_WAY: Final = (Stage.PUBLISH, Stage.RESULT)
"""Here a result may still decide: it may come before its publish is confirmed."""
_NOTHING_SAID: Final = BatchOptions()


@frozen
class AttemptPolicy:
    """How often an image is sent through the pipeline, and how long it waits before the next time."""

    max_attempts: int = 3
    pause_s: float = 2.0

    def pause_before(self, attempt: int) -> timedelta:
        return timedelta(seconds=self.pause_s * 2 ** max(0, attempt - 2))


@frozen
class AttemptEnd:
    """What a result says of an attempt: where its tagged image lies and that one's words, or why it failed."""

    name: AttemptName
    at: datetime
    processed_path: str | None = None
    metadata: Metadata | None = None
    failure: Failure | None = None


def accept(
    job_id: str,
    images: Sequence[Image],
    now: datetime,
    options: BatchOptions = _NOTHING_SAID,
    *,
    retry_of: str | None = None,
) -> Change:
    """A new job; images whose content was refused on the way in are failed already, reused ones completed."""
    job = Job(
        job_id=job_id,
        created_at=now,
        updated_at=now,
        images=tuple(images),
        options=options,
        retry_of=retry_of,
    )
    ended = [image for image in images if image.status.is_final]
    return _commit(job, ended, now, begins=True)


def begin_fetch(job: Job, index: int, now: datetime) -> Change | None:
    """A download is about to be tried: counted before it is made, so that a poisonous one runs out of tries.

    None for one that waits until later: who begins it may have seen the job as it was before it was put off.
    """
    image = job.images[index]
    if image.stage is not Stage.FETCH or (image.not_before is not None and image.not_before > now):
        return None
    tried = evolve(image, tries=image.tries + 1, not_before=None, **_start(image, now))
    return _move(job, [tried], now)


def fetch_later(job: Job, index: int, not_before: datetime) -> Change | None:
    """A download failed in a way that may pass."""
    image = job.images[index]
    if image.stage is not Stage.FETCH:
        return None
    return Change(_with_images(job, [evolve(image, not_before=not_before)]))


def put_off_fetch(job: Job, index: int, not_before: datetime) -> Change | None:
    """A download came to nothing by our own doing (the store is down, a stop): the try does not count."""
    image = job.images[index]
    if image.stage is not Stage.FETCH:
        return None
    return Change(_with_images(job, [evolve(image, tries=max(0, image.tries - 1), not_before=not_before)]))


def fetched(job: Job, index: int, original: Original) -> Change | None:
    """The original lies in the object store; the image waits for its place in the broker."""
    image = job.images[index]
    if image.stage is not Stage.FETCH:
        return None
    return Change(_with_images(job, [evolve(image, original=original, not_before=None)]))


def fetched_and_reused(
    job: Job, index: int, original: Original, analysed: Analysed, now: datetime
) -> Change | None:
    """The original lies in the object store, and its bytes were analysed before: the image is completed."""
    image = job.images[index]
    if image.stage is not Stage.FETCH:
        return None
    ended = reused(evolve(image, original=original), analysed, now)
    return _commit(_with_images(job, [ended]), [ended], now)


def published(job: Job, names: Iterable[AttemptName], now: datetime) -> Change | None:
    """The broker confirmed these attempts; those that are not the newest of their image count for nothing."""
    numbers: dict[str, set[int]] = {}
    for name in names:
        numbers.setdefault(name.trace_id, set()).add(name.number)
    moved = [
        evolve(image, published_at=now, not_before=None, **_start(image, now))
        for image in job.images
        if image.attempt in numbers.get(image.trace_id, ()) and image.stage is Stage.PUBLISH
    ]
    return _move(job, moved, now) if moved else None


def unpublished(job: Job, name: AttemptName) -> Change | None:
    """A publish that was written down before it was made has failed: the attempt waits for another one."""
    image = job.image_of(name.trace_id)
    if image is None or image.stage is not Stage.RESULT or image.attempt != name.number:
        return None
    return Change(_with_images(job, [evolve(image, published_at=None)]))


def attempts_ended(job: Job, ends: Sequence[AttemptEnd]) -> tuple[Change | None, list[Image | None]]:
    """Results that came together, each judged by what those before it left: one change, and the image that each of
    them ended, None for one that did not count.
    """
    images = {image.trace_id: image for image in job.images}
    ended: list[Image | None] = []
    for end in ends:
        image = images.get(end.name.trace_id)
        if image is not None and _decides(end, image):
            images[image.trace_id] = image = _ended_by(end, image)
            ended.append(image)
        else:
            ended.append(None)
    changed = [image for image in ended if image is not None]
    if not changed:
        return None, ended
    return _commit(_with_images(job, changed), changed, max(end.at for end in ends)), ended


def attempt_completed(
    job: Job, name: AttemptName, processed_path: str, metadata: Metadata | None, now: datetime
) -> Change | None:
    """An attempt brought the tagged image; it need not be the newest, nor confirmed yet."""
    change, _ = attempts_ended(job, [AttemptEnd(name, now, processed_path=processed_path, metadata=metadata)])
    return change


def attempt_rejected(
    job: Job, name: AttemptName, failure: Failure, policy: AttemptPolicy, now: datetime
) -> Change | None:
    """A dead letter ended the newest attempt: the image is sent again until its attempts are used up."""
    image = _open_image(job, name)
    if image is None or image.attempt != name.number:
        return None
    return _try_again(job, image, failure, policy, now, now + policy.pause_before(image.attempt + 1))


def attempt_refused(job: Job, name: AttemptName, failure: Failure, now: datetime) -> Change | None:
    """A dead letter ended the newest attempt in a way in which any further one would end: the image fails."""
    change, _ = attempts_ended(job, [AttemptEnd(name, now, failure=failure)])
    return change


def attempt_again(job: Job, index: int) -> Change | None:
    """Somebody asks for another attempt now: of an open image that has its original, beside any that is under way.

    One that waits for its next attempt already waits no longer. It may be one more than the policy has.
    """
    image = job.images[index]
    if image.stage is Stage.PUBLISH:
        return Change(_with_images(job, [evolve(image, not_before=None)]))
    if image.stage is not Stage.RESULT:
        return None
    again = evolve(image, attempt=image.attempt + 1, published_at=None, not_before=None)
    return Change(_with_images(job, [again]))


def attempt_lost(
    job: Job, name: AttemptName, failure: Failure, policy: AttemptPolicy, now: datetime
) -> Change | None:
    """No result came of the newest attempt in its time: the image is sent again at once, or fails likewise.

    The message may still be under way, so what comes of it later counts as of any older attempt.
    """
    image = job.image_of(name.trace_id)
    if image is None or image.stage is not Stage.RESULT or image.attempt != name.number:
        return None
    return _try_again(job, image, failure, policy, now, None)


def fail(job: Job, index: int, failure: Failure, now: datetime) -> Change | None:
    """An image can't go on."""
    image = job.images[index]
    if image.stage is Stage.ENDED:
        return None
    return _end(job, image, now, status=Status.FAILED, failure=failure)


def cancel(job: Job, now: datetime) -> Change | None:
    """Every image that is still open ends as cancelled."""
    waiting = [image for image in job.images if image.stage is not Stage.ENDED]
    if not waiting:
        return None
    ended = [_ended(image, now, status=Status.CANCELLED) for image in waiting]
    return _commit(evolve(_with_images(job, ended), cancelled_at=now), ended, now)


def _open_image(job: Job, name: AttemptName) -> Image | None:
    """The image that a result may still decide."""
    image = job.image_of(name.trace_id)
    return image if image is not None and image.stage in _ON_ITS_WAY else None


def _decides(end: AttemptEnd, image: Image) -> bool:
    if image.stage not in _ON_ITS_WAY:
        return False
    return end.failure is None or image.attempt == end.name.number


def _ended_by(end: AttemptEnd, image: Image) -> Image:
    status = Status.COMPLETED if end.failure is None else Status.FAILED
    start_time = image.start_time or end.at
    return _ended(
        image, end.at, start_time=start_time, status=status, processed_path=end.processed_path,
        metadata=end.metadata, failure=end.failure,
    )  # fmt: skip


def _try_again(
    job: Job,
    image: Image,
    failure: Failure,
    policy: AttemptPolicy,
    now: datetime,
    not_before: datetime | None,
) -> Change:
    if image.attempt >= policy.max_attempts:
        return _end(job, image, now, status=Status.FAILED, failure=failure)
    again = evolve(image, attempt=image.attempt + 1, published_at=None, not_before=not_before)
    return Change(_with_images(job, [again]))


def _start(image: Image, now: datetime) -> dict[str, Any]:
    """What changes with the first step of an image."""
    return {} if image.start_time is not None else {"status": Status.PROCESSING, "start_time": now}


def _move(job: Job, moved: Sequence[Image], now: datetime) -> Change:
    """A step of open images; news to subscribers only when it is the first of one of them."""
    is_news = any(image.start_time != job.images[image.index].start_time for image in moved)
    after = _with_images(job, moved)
    return _commit(after, [], now) if is_news else Change(after)


def _end(job: Job, image: Image, now: datetime, **outcome: Any) -> Change:
    ended = _ended(image, now, start_time=image.start_time or now, **outcome)
    return _commit(_with_images(job, [ended]), [ended], now)


def _ended(image: Image, now: datetime, **outcome: Any) -> Image:
    """Never before its start, though a clock may be set back in between."""
    return evolve(image, end_time=max(now, image.start_time or now), not_before=None, **outcome)


def _commit(job: Job, ended: Sequence[Image], now: datetime, *, begins: bool = False) -> Change:
    """Number the events that tell of the change: a progress, or each image's end, then the job's end."""
    counts = job.counts  # what is evolved below does not change them
    told: list[tuple[EventType, Counts, Image | None]] = []  # the last first: its counts are the job's
    if counts.open == 0:
        told.append((EventType.JOB_COMPLETE, counts, None))
    before = counts
    for image in reversed(ended):
        told.append((EventType.IMAGE_COMPLETE, before, image))
        before = before.without(image)
    if begins or not ended:
        told.append((EventType.PROGRESS, before, None))
    at = max(now, job.updated_at)
    changed = evolve(
        job, seq=job.seq + len(told), updated_at=at, completed_at=at if counts.open == 0 else None
    )
    events = tuple(
        Event(
            seq=job.seq + offset, type=kind, at=at, status=job.status_at(after), counts=after, image=image,
        )
        for offset, (kind, after, image) in enumerate(reversed(told), start=1)
    )  # fmt: skip
    return Change(changed, events)


def _with_images(job: Job, changed: Sequence[Image]) -> Job:
    images = list(job.images)
    for image in changed:
        images[image.index] = image
    return evolve(job, images=tuple(images))
