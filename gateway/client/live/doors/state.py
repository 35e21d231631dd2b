"""Makes the events of a job of what an answer tells that is asked for again and again: its state, and ends of images.

They are those of the other doors, less the states in between: each has the job's counters as they were then.
"""

from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve

from gateway.client.answers import Event, Image, Job
from gateway.client.live.told import FROM_THE_START, is_earlier


def goes_on(position: str | None, job: Job) -> bool:
    """Whether all behind that position can be told; as a gateway does, the end of a job is told again."""
    if position is None or position == FROM_THE_START:
        return position is not None
    return is_earlier(position, job.id) or (position == job.id and not job.is_final)


def news(
    last: Event | None, position: str | None, job: Job, ends: Sequence[Image], *, images: bool
) -> Iterator[Event]:
    """What is new behind that position, which is that of the `last` event, or where the first one is to begin.

    `ends` are all behind it. They come with an opening before them, if there was none or the log has begun anew, and
    behind them with the job's state, if that is newer.
    """
    if last is None or not goes_on(position, job):
        last = opening(position, job, ends, images=images)
        yield last
    for end in each_end(last, ends):
        last = end
        yield end
    state = state_behind(last, job)
    if state is not None:
        yield state


def opening(position: str | None, job: Job, ends: Sequence[Image], *, images: bool) -> Event:
    """The state at that position, behind which are these `ends`, or the present one where it can't be gone on from."""
    if position is None or not goes_on(position, job):
        return present_state(job, images=images)
    return _state_at(position, job, ends)


def present_state(job: Job, *, images: bool) -> Event:
    """An opening."""
    return evolve(_state(job), resumed=False, images=job.images if images else ())


def _state_at(position: str, job: Job, ends: Sequence[Image]) -> Event:
    """Among the ends may be some that the job's state does not know of yet."""
    known = [image for image in ends if not is_earlier(job.id, image.id)]
    first_id = f"{job.id.rpartition(':')[0]}:0"
    state = evolve(
        _state(job),
        id=first_id if position == FROM_THE_START else position,
        resumed=True,
        completed=job.completed - _count(known, "completed"),
        failed=job.failed - _count(known, "failed"),
        cancelled=job.cancelled - _count(known, "cancelled"),
    )
    return _standing(state, none_ended="pending" if state.id == first_id else "processing")


def each_end(before: Event, ends: Iterable[Image]) -> Iterator[Event]:
    """One event for each, in their order; `before` is the one that they follow upon."""
    state = before
    for image in ends:
        state = evolve(
            state,
            id=image.id,
            type="image_complete",
            timestamp=image.end_time or state.timestamp,
            completed=state.completed + _count([image], "completed"),
            failed=state.failed + _count([image], "failed"),
            cancelled=state.cancelled + _count([image], "cancelled"),
            image=evolve(image, id=""),
            images=(),
            resumed=None,
        )
        state = _standing(state)
        yield state


def last_event(job: Job) -> Event:
    """Of a job that has ended."""
    return evolve(_state(job), type="job_complete", outcome=job.outcome)


def state_behind(before: Event, job: Job) -> Event | None:
    """What the job's state says that was not told; None: nothing that is newer."""
    if job.is_final:
        return last_event(job)
    return _state(job) if is_earlier(before.id, job.id) else None


def _state(job: Job) -> Event:
    return Event(
        id=job.id,
        type="progress",
        job_id=job.job_id,
        status=job.status,
        progress=job.progress,
        completed=job.completed,
        failed=job.failed,
        cancelled=job.cancelled,
        total_images=job.total_images,
        timestamp=job.updated_at,
    )


def _count(images: Iterable[Image], status: str) -> int:
    return sum(image.status == status for image in images)


def _standing(state: Event, *, none_ended: str = "processing") -> Event:
    """The status and progress that follow from the counters, as a gateway has them."""
    if state.ended < state.total_images:
        status = "processing" if state.ended else none_ended
        return evolve(state, status=status, progress=100 * state.ended / state.total_images)
    status = "cancelled" if state.cancelled else "completed" if state.completed else "failed"
    return evolve(state, status=status, progress=100.0)
