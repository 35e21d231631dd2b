"""What must hold when all is over, whatever broke: each a function that says how an aftermath violates it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from attrs import frozen

from tests.chaos.aftermath import Aftermath, attempt_of, keys_of
from tests.chaos.world import Job
from tests.following import Frame
from tests.pictures import picture_data

FINAL = ("completed", "failed", "cancelled")
LISTED = 20
"""Of one invariant's violations at most so many are told."""

Kind = Literal["lost", "twice", "left over", "wrong"]


@frozen
class Violation:
    kind: Kind
    subject: object
    """What is lost, there twice or left over; each is counted once."""
    text: str


Invariant = Callable[[Aftermath], Iterator[Violation]]


def every_image_of_a_201_has_one_final_state(aftermath: Aftermath) -> Iterator[Violation]:
    for place, sent, image in aftermath.each_image():
        if image is None:
            yield Violation("lost", place, f"{place}: nobody knows of {sent.name}")
        elif image["status"] not in FINAL:
            yield Violation("lost", place, f"{place}: {sent.name} is {image['status']} for ever")
    for accepted, job in aftermath.each_accepted():
        indexes = Counter(image["index"] for image in job["images"])
        for index, count in indexes.items():
            if count > 1 or index >= len(accepted.images):
                yield Violation(
                    "twice", (accepted.job_id, index), f"{accepted.job_id}: {count} of index {index}"
                )


def the_images_are_those_that_were_sent(aftermath: Aftermath) -> Iterator[Violation]:
    for place, sent, image in aftermath.each_image():
        if image is None:
            continue
        if image["original_filename"] != sent.name:
            yield Violation("lost", place, f"{place}: {image['original_filename']} in place of {sent.name}")
        checksum = image.get("sha256")
        if image["status"] == "completed" and checksum != sent.sha256:
            yield Violation("lost", place, f"{place}: the checksum of {sent.name} is {checksum}")
        if not sent.is_good and checksum is not None:
            yield Violation("wrong", place, f"{place}: {sent.name} is no image, and was kept")
    for accepted, job in aftermath.each_accepted():
        indexes = [image["index"] for image in job["images"]]
        if indexes != sorted(indexes):
            yield Violation("wrong", accepted.job_id, f"{accepted.job_id}: images are listed as {indexes}")


def good_images_are_completed_and_broken_ones_failed(aftermath: Aftermath) -> Iterator[Violation]:
    for place, sent, image in aftermath.each_image():
        if image is None or image["status"] not in FINAL:
            continue
        end = image["status"] if image["status"] != "failed" else image["code"]
        allowed = {"completed", *aftermath.may_fail_with} if sent.is_good else {"not_an_image"}
        if end not in allowed:
            yield Violation("lost", place, f"{place}: {sent.name} ended as {end}: {image.get('error')}")


def counts_add_up(aftermath: Aftermath) -> Iterator[Violation]:
    for accepted, job in aftermath.each_accepted():
        ends = Counter(image["status"] for image in job["images"])
        told = {"total_images": job["total_images"]} | {end: job.get(end, 0) for end in FINAL}
        true = {"total_images": len(accepted.images)} | {end: ends[end] for end in FINAL}
        if told != true or job["progress"] != 100.0:
            yield Violation(
                "wrong", job["job_id"], f"{job['job_id']}: {told} and {job['progress']} % of {true}"
            )
        if (job["status"], job.get("outcome")) != _end_of(ends):
            text = f"{job['job_id']}: {job['status']}, {job.get('outcome')} with {true}"
            yield Violation("wrong", job["job_id"], text)


def _end_of(ends: Counter[str]) -> tuple[str, str]:
    """Status and outcome of a job whose images ended so."""
    if not ends["failed"]:
        return "completed", "all_completed"
    return ("completed", "partial") if ends["completed"] else ("failed", "all_failed")


def lists_count_every_job(aftermath: Aftermath) -> Iterator[Violation]:
    true = Counter(job["status"] for job in aftermath.jobs.values())
    for status, count in aftermath.counts.items():
        if count != true[status]:
            yield Violation("wrong", status, f"the list says {count} {status} jobs, and has {true[status]}")


def every_state_has_its_time_and_times_go_forward(aftermath: Aftermath) -> Iterator[Violation]:
    for job_id, job in aftermath.jobs.items():
        for moments in _moments_of(job):
            if None in moments or sorted(moments, key=_moment) != moments:
                yield Violation("wrong", job_id, f"{job_id}: times go {moments}")


def _moments_of(job: Job) -> Iterator[list[str | None]]:
    """Such as must follow each other; None for one that is not told."""
    created, completed = job["created_at"], job.get("completed_at")
    begun = [image["start_time"] for image in job["images"] if "start_time" in image]
    if begun:
        yield [created, job.get("started_at"), min(begun, key=_moment), completed]
    for image in job["images"]:
        # What was refused as it came had ended before there was a job.
        start = [created, image["start_time"]] if "start_time" in image else []
        yield [*start, image.get("end_time"), completed]


def _moment(text: str | None) -> datetime:
    assert text is not None
    return datetime.fromisoformat(text)


def every_original_is_there_byte_for_byte(aftermath: Aftermath) -> Iterator[Violation]:
    for place, sent in aftermath.each_completed():
        if aftermath.originals.get(place) != sent.content:
            yield Violation("lost", place, f"{place}: the original of {sent.name} is not what was sent")


def every_processed_image_has_its_picture_untouched_and_tags(aftermath: Aftermath) -> Iterator[Violation]:
    for place, sent in aftermath.each_completed():
        processed = aftermath.processed.get(place)
        if processed is None or picture_data(processed) != picture_data(sent.content):
            yield Violation("lost", place, f"{place}: the processed {sent.name} is not that picture")
        elif processed == sent.content:
            yield Violation("lost", place, f"{place}: the processed {sent.name} carries no tags")


def no_object_is_missing(aftermath: Aftermath) -> Iterator[Violation]:
    for bucket, keys in keys_of(aftermath.jobs).items():
        for key in keys - aftermath.objects.get(bucket, set()):
            yield Violation("lost", key, f"{bucket}/{key} is not there")


def no_object_belongs_to_nobody(aftermath: Aftermath) -> Iterator[Violation]:
    named = keys_of(aftermath.jobs)
    images = {image["trace_id"] for job in aftermath.jobs.values() for image in job["images"]}
    for bucket, keys in aftermath.objects.items():
        for key in keys - named.get(bucket, set()):
            is_of_lost_result = bucket == "processed" and attempt_of(key) in images
            if not (aftermath.results_were_lost and is_of_lost_result):
                yield Violation("left over", (bucket, key), f"{bucket}/{key} belongs to no job")


def no_job_comes_of_a_refused_request(aftermath: Aftermath) -> Iterator[Violation]:
    told = {accepted.job_id for accepted in aftermath.records.accepted}
    for job_id, job in aftermath.jobs.items():
        names = {image["original_filename"] for image in job["images"]}
        if job_id not in told and not names <= aftermath.records.unanswered:
            yield Violation("left over", job_id, f"{job_id} of {sorted(names)} was refused, or never sent")


def no_request_becomes_two_jobs(aftermath: Aftermath) -> Iterator[Violation]:
    jobs: dict[str, str] = {}
    for job_id, job in aftermath.jobs.items():
        for name in {image["original_filename"] for image in job["images"]}:
            if jobs.setdefault(name, job_id) != job_id:
                yield Violation("twice", name, f"{name} is in {jobs[name]} and in {job_id}")


def each_subscriber_sees_every_end_once(aftermath: Aftermath) -> Iterator[Violation]:
    for accepted, job in aftermath.each_accepted():
        frames = aftermath.frames.get(accepted.job_id, ())
        seen = Counter(frame["image"]["index"] for frame in frames if frame["type"] == "image_complete")
        for image in job["images"]:
            place, count = (accepted.job_id, image["index"]), seen[image["index"]]
            if count == 0:
                yield Violation("lost", place, f"{place}: its subscriber was not told of its end")
            if count > 1:
                yield Violation("twice", place, f"{place}: its subscriber was told of its end {count} times")


def each_subscriber_sees_ends_as_they_are(aftermath: Aftermath) -> Iterator[Violation]:
    for accepted, job in aftermath.each_accepted():
        images = {image["index"]: image for image in job["images"]}
        for frame in aftermath.frames.get(accepted.job_id, ()):
            if frame["type"] == "image_complete" and frame["image"] != images.get(frame["image"]["index"]):
                yield Violation(
                    "wrong", accepted.job_id, f"{accepted.job_id}: told {frame['image']}, is {images}"
                )


def each_subscriber_sees_the_ends_in_order(aftermath: Aftermath) -> Iterator[Violation]:
    for job_id, frames in aftermath.frames.items():
        counts = [f["completed"] + f["failed"] for f in frames if f["type"] == "image_complete"]
        if counts != list(range(1, len(counts) + 1)):
            yield Violation("wrong", job_id, f"{job_id}: the count of ends goes {counts}")
        positions = list(map(_position, frames))
        of_news = [_position(frame) for frame in frames if frame["type"] != "progress"]
        if positions != sorted(positions) or of_news != sorted(set(of_news)):
            yield Violation("wrong", job_id, f"{job_id}: positions go {positions}")


def each_subscriber_goes_on_where_it_stopped(aftermath: Aftermath) -> Iterator[Violation]:
    """Its openings tell the state that it knows."""
    for job_id, frames in aftermath.frames.items():
        position, ended = 0, 0
        for frame in frames:
            counted = frame.get("completed", 0) + frame.get("failed", 0)
            if "resumed" in frame and (frame["resumed"], _position(frame), counted) != (
                True,
                position,
                ended,
            ):
                yield Violation("wrong", job_id, f"{job_id}: from {position} it went on with {frame}")
            position, ended = _position(frame), counted


def each_subscriber_is_told_first_how_it_begins(aftermath: Aftermath) -> Iterator[Violation]:
    for job_id, frames in aftermath.frames.items():
        if frames and "resumed" not in frames[0]:
            yield Violation("wrong", job_id, f"{job_id}: it began with {frames[0]}")


def _position(frame: Frame) -> int:
    return int(frame["id"].rpartition(":")[2])


def each_subscriber_sees_one_job_complete_at_last(aftermath: Aftermath) -> Iterator[Violation]:
    for job_id, frames in aftermath.frames.items():
        types = [frame["type"] for frame in frames]
        if types.count("job_complete") != 1 or types[-1] != "job_complete":
            yield Violation("wrong", job_id, f"{job_id}: its subscriber was told {types}")


def every_answer_is_one_that_fits(aftermath: Aftermath) -> Iterator[Violation]:
    for text in aftermath.records.wrong:
        yield Violation("wrong", text, text)


def the_log_has_no_errors(aftermath: Aftermath) -> Iterator[Violation]:
    for complaint in aftermath.complaints:
        yield Violation("wrong", complaint, f"in a log: {complaint}")


INVARIANTS: Sequence[Invariant] = (
    every_image_of_a_201_has_one_final_state,
    the_images_are_those_that_were_sent,
    good_images_are_completed_and_broken_ones_failed,
    counts_add_up,
    lists_count_every_job,
    every_state_has_its_time_and_times_go_forward,
    every_original_is_there_byte_for_byte,
    every_processed_image_has_its_picture_untouched_and_tags,
    no_object_is_missing,
    no_object_belongs_to_nobody,
    no_job_comes_of_a_refused_request,
    no_request_becomes_two_jobs,
    each_subscriber_sees_every_end_once,
    each_subscriber_sees_ends_as_they_are,
    each_subscriber_sees_the_ends_in_order,
    each_subscriber_goes_on_where_it_stopped,
    each_subscriber_is_told_first_how_it_begins,
    each_subscriber_sees_one_job_complete_at_last,
    every_answer_is_one_that_fits,
    the_log_has_no_errors,
)


def violations_of(aftermath: Aftermath) -> list[Violation]:
    return [violation for invariant in INVARIANTS for violation in invariant(aftermath)]


def counted(violations: Sequence[Violation], kind: Kind) -> int:
    """How many things are so: one that violates several invariants is counted once."""
    return len({violation.subject for violation in violations if violation.kind == kind})


def told(violations: Sequence[Violation]) -> tuple[str, ...]:
    """In words, of each kind as many as one can read."""
    texts: list[str] = []
    for kind in ("lost", "twice", "left over", "wrong"):
        of_it = [violation.text for violation in violations if violation.kind == kind]
        texts += [f"{kind}: {text}" for text in of_it[:LISTED]]
        texts += [f"{kind}: and {len(of_it) - LISTED} more"] if len(of_it) > LISTED else []
    return tuple(texts)
