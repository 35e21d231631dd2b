"""A proof that cannot fail proves nothing: each invariant goes red on a world that violates it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, evolve, field

from tests.chaos.aftermath import Aftermath, Place
from tests.chaos.bodies import a_jpeg_named, a_png_named
from tests.chaos.invariants import INVARIANTS, Kind, counted, told, violations_of
from tests.chaos.records import BROKEN, Accepted, Records, Sent
from tests.following import Frame

JOB = "job"
GOOD, OTHER, BAD = a_jpeg_named("good"), a_png_named("other"), Sent("bad.jpg", BROKEN)
TAGGED = {GOOD.name: GOOD.content[:2] + b"\xff\xfe\0\x06tags" + GOOD.content[2:], OTHER.name: b""}
TAGGED[OTHER.name] = OTHER.content[:33] + b"\0\0\0\0tEXt\0\0\0\0" + OTHER.content[33:]


@define
class Told:
    """An aftermath in the making; as it begins, all is well."""

    records: Records = field(factory=lambda: Records([Accepted(JOB, [GOOD, OTHER, BAD])]))
    jobs: dict[str, Any] = field(factory=lambda: {JOB: a_job(JOB, [GOOD, OTHER, BAD])})
    frames: dict[str, list[Frame]] = field(factory=lambda: {JOB: frames_of(a_job(JOB, [GOOD, OTHER, BAD]))})
    originals: dict[Place, bytes | None] = field(
        factory=lambda: {(JOB, 0): GOOD.content, (JOB, 1): OTHER.content}
    )
    processed: dict[Place, bytes | None] = field(
        factory=lambda: {(JOB, 0): TAGGED[GOOD.name], (JOB, 1): TAGGED[OTHER.name]}
    )
    objects: dict[str, set[str]] = field(
        factory=lambda: {
            "original": {"t-good.jpg/original.jpg", "t-other.png/original.png"},
            "processed": {"t-good.jpg/good.jpg", "t-other.png/other.png"},
            ".tmp": set(),
        }
    )
    counts: dict[str, int] = field(factory=lambda: {"processing": 0, "completed": 1})
    complaints: list[str] = field(factory=list)

    @property
    def images(self) -> list[dict[str, Any]]:
        images: list[dict[str, Any]] = self.jobs[JOB]["images"]
        return images

    def aftermath(self) -> Aftermath:
        return Aftermath(
            self.records,
            self.frames,
            self.jobs,
            self.originals,
            self.processed,
            self.objects,
            self.counts,
            self.complaints,
        )


def a_job(job_id: str, sent: list[Sent]) -> dict[str, Any]:
    """As the status answer has it, when all has gone as it should."""
    images = [an_image(index, each) for index, each in enumerate(sent)]
    completed = sum(image["status"] == "completed" for image in images)
    return {
        "job_id": job_id,
        "status": "completed",
        "outcome": "partial" if completed < len(images) else "all_completed",
        "created_at": "2026-11-28T12:00:00Z",
        "started_at": "2026-11-28T12:00:01Z",
        "completed_at": "2026-11-28T12:00:03Z",
        "total_images": len(images),
        "completed": completed,
        "failed": len(images) - completed,
        "progress": 100.0,
        "images": images,
    }


def an_image(index: int, sent: Sent) -> dict[str, Any]:
    image = {"index": index, "original_filename": sent.name, "trace_id": f"t-{sent.name}"}
    if not sent.is_good:
        return image | {"end_time": "2026-11-28T11:59:59Z", "status": "failed", "code": "not_an_image"}
    image |= {"start_time": "2026-11-28T12:00:01Z", "end_time": f"2026-11-28T12:00:02.{index}Z"}
    path = f"t-{sent.name}/{sent.name}"
    return image | {"status": "completed", "sha256": sent.sha256, "processed_path": path}


def frames_of(job: dict[str, Any]) -> list[Frame]:
    """What its subscriber is told: how it begins, then of what was refused at once."""
    frames: list[Frame] = [{"type": "progress", "id": "e:0", "resumed": True, "failed": 0, "completed": 0}]
    images = sorted(job["images"], key=lambda image: str(image["status"]), reverse=True)
    for count, image in enumerate(copy.deepcopy(images), 1):
        frames.append(
            {
                "type": "image_complete",
                "id": f"e:{count}",
                "image": image,
                "failed": 1,
                "completed": count - 1,
            }
        )
    return [*frames, {"type": "job_complete", "id": f"e:{len(frames)}"}]


# --- one spoiler a violation: the invariant that it violates is in its row below


def forget_the_job(told: Told) -> None:
    told.jobs.clear()


def forget_an_image(told: Told) -> None:
    del told.images[0]


def leave_an_image_open(told: Told) -> None:
    told.images[0]["status"] = "processing"


def list_an_image_twice(told: Told) -> None:
    told.images.append(told.images[0])


def mix_up_names(told: Told) -> None:
    told.images[0]["original_filename"] = "somebody-elses.jpg"


def tell_another_checksum(told: Told) -> None:
    told.images[0]["sha256"] = OTHER.sha256


def keep_a_broken_image(told: Told) -> None:
    told.images[2]["sha256"] = BAD.sha256


def list_images_out_of_order(told: Told) -> None:
    told.images.reverse()


def fail_a_good_image(told: Told) -> None:
    told.images[0] |= {"status": "failed", "code": "no_result"}


def complete_a_broken_image(told: Told) -> None:
    told.images[2]["status"] = "completed"


def fail_a_broken_image_for_another_reason(told: Told) -> None:
    told.images[2]["code"] = "no_result"


def miscount(told: Told) -> None:
    told.jobs[JOB]["completed"] += 1


def never_finish(told: Told) -> None:
    told.jobs[JOB]["progress"] = 66.6


def call_it_failed(told: Told) -> None:
    told.jobs[JOB]["status"] = "failed"


def call_it_complete(told: Told) -> None:
    told.jobs[JOB]["outcome"] = "all_completed"


def miscount_in_the_list(told: Told) -> None:
    told.counts["processing"] = 1


def end_before_the_start(told: Told) -> None:
    told.images[0]["end_time"] = "2026-11-28T12:00:00.5Z"


def tell_no_time_of_an_end(told: Told) -> None:
    del told.images[2]["end_time"]


def tell_no_time_of_the_jobs_start(told: Told) -> None:
    del told.jobs[JOB]["started_at"]


def complete_a_job_before_its_last_image(told: Told) -> None:
    told.jobs[JOB]["completed_at"] = "2026-11-28T12:00:02Z"


def lose_an_original(told: Told) -> None:
    told.originals[JOB, 0] = None


def swap_originals(told: Told) -> None:
    told.originals[JOB, 0] = OTHER.content


def lose_a_processed_image(told: Told) -> None:
    told.processed[JOB, 1] = None


def spoil_a_processed_image(told: Told) -> None:
    told.processed[JOB, 0] = TAGGED[OTHER.name]


def write_no_tags(told: Told) -> None:
    told.processed[JOB, 0] = GOOD.content


def delete_an_object(told: Told) -> None:
    told.objects["original"].pop()


def leave_an_object(told: Told) -> None:
    told.objects["processed"].add("t-good.jpg-a2/good.jpg")


def leave_an_unfinished_file(told: Told) -> None:
    told.objects[".tmp"].add("half")


def keep_a_refused_request(told: Told) -> None:
    sent = a_jpeg_named("refused")
    told.records.refuse([sent])
    add_job(told, "other", sent)


def make_a_job_of_nothing(told: Told) -> None:
    add_job(told, "other", a_jpeg_named("never-sent"))


def accept_a_request_twice(told: Told) -> None:
    sent = a_jpeg_named("twice")
    told.records.leave_unanswered([sent])
    add_job(told, "one", sent)
    add_job(told, "two", sent)


def add_job(told: Told, job_id: str, sent: Sent) -> None:
    told.jobs[job_id] = a_job(job_id, [sent])
    told.counts["completed"] += 1
    told.objects["original"].add(f"t-{sent.name}/original.jpg")
    told.objects["processed"].add(f"t-{sent.name}/{sent.name}")


def keep_an_end_from_a_subscriber(told: Told) -> None:
    del told.frames[JOB][-2]


def tell_a_subscriber_nothing(told: Told) -> None:
    told.frames.clear()


def tell_an_end_twice(told: Told) -> None:
    told.frames[JOB].insert(1, told.frames[JOB][1])


def tell_another_end(told: Told) -> None:
    told.frames[JOB][2]["image"]["status"] = "failed"


def tell_ends_out_of_order(told: Told) -> None:
    frames = told.frames[JOB]
    frames[1], frames[2] = frames[2], frames[1]


def tell_a_position_twice(told: Told) -> None:
    told.frames[JOB][2]["id"] = told.frames[JOB][1]["id"]


def come_back(frames: list[Frame], **changes: object) -> None:
    """In the midst of it all; the opening is right but for these."""
    before = frames[2]
    right = {name: before[name] for name in ("id", "completed", "failed")}
    frames.insert(3, {"type": "progress", "resumed": True, **right, **changes})


def begin_anew(told: Told) -> None:
    come_back(told.frames[JOB], resumed=False)


def go_on_from_elsewhere(told: Told) -> None:
    come_back(told.frames[JOB], id="e:3")


def go_on_with_another_state(told: Told) -> None:
    come_back(told.frames[JOB], completed=2)


def begin_without_an_opening(told: Told) -> None:
    del told.frames[JOB][0]


def never_tell_of_the_jobs_end(told: Told) -> None:
    del told.frames[JOB][-1]


def tell_of_the_jobs_end_too_early(told: Told) -> None:
    told.frames[JOB].insert(0, told.frames[JOB].pop())


def answer_500(told: Told) -> None:
    told.records.wrong.append("500 for good.jpg")


def complain(told: Told) -> None:
    told.complaints.append("Traceback (most recent call last):")


SPOILERS: list[tuple[str, Kind, Callable[[Told], None]]] = [
    ("every_image_of_a_201_has_one_final_state", "lost", forget_the_job),
    ("every_image_of_a_201_has_one_final_state", "lost", forget_an_image),
    ("every_image_of_a_201_has_one_final_state", "lost", leave_an_image_open),
    ("every_image_of_a_201_has_one_final_state", "twice", list_an_image_twice),
    ("the_images_are_those_that_were_sent", "lost", mix_up_names),
    ("the_images_are_those_that_were_sent", "lost", tell_another_checksum),
    ("the_images_are_those_that_were_sent", "wrong", keep_a_broken_image),
    ("the_images_are_those_that_were_sent", "wrong", list_images_out_of_order),
    ("good_images_are_completed_and_broken_ones_failed", "lost", fail_a_good_image),
    ("good_images_are_completed_and_broken_ones_failed", "lost", complete_a_broken_image),
    ("good_images_are_completed_and_broken_ones_failed", "lost", fail_a_broken_image_for_another_reason),
    ("counts_add_up", "wrong", miscount),
    ("counts_add_up", "wrong", never_finish),
    ("counts_add_up", "wrong", call_it_failed),
    ("counts_add_up", "wrong", call_it_complete),
    ("lists_count_every_job", "wrong", miscount_in_the_list),
    ("every_state_has_its_time_and_times_go_forward", "wrong", end_before_the_start),
    ("every_state_has_its_time_and_times_go_forward", "wrong", tell_no_time_of_an_end),
    ("every_state_has_its_time_and_times_go_forward", "wrong", tell_no_time_of_the_jobs_start),
    ("every_state_has_its_time_and_times_go_forward", "wrong", complete_a_job_before_its_last_image),
    ("every_original_is_there_byte_for_byte", "lost", lose_an_original),
    ("every_original_is_there_byte_for_byte", "lost", swap_originals),
    ("every_processed_image_has_its_picture_untouched_and_tags", "lost", lose_a_processed_image),
    ("every_processed_image_has_its_picture_untouched_and_tags", "lost", spoil_a_processed_image),
    ("every_processed_image_has_its_picture_untouched_and_tags", "lost", write_no_tags),
    ("no_object_is_missing", "lost", delete_an_object),
    ("no_object_belongs_to_nobody", "left over", leave_an_object),
    ("no_object_belongs_to_nobody", "left over", leave_an_unfinished_file),
    ("no_job_comes_of_a_refused_request", "left over", keep_a_refused_request),
    ("no_job_comes_of_a_refused_request", "left over", make_a_job_of_nothing),
    ("no_request_becomes_two_jobs", "twice", accept_a_request_twice),
    ("each_subscriber_sees_every_end_once", "lost", keep_an_end_from_a_subscriber),
    ("each_subscriber_sees_every_end_once", "lost", tell_a_subscriber_nothing),
    ("each_subscriber_sees_every_end_once", "twice", tell_an_end_twice),
    ("each_subscriber_sees_ends_as_they_are", "wrong", tell_another_end),
    ("each_subscriber_sees_the_ends_in_order", "wrong", tell_ends_out_of_order),
    ("each_subscriber_sees_the_ends_in_order", "wrong", tell_a_position_twice),
    ("each_subscriber_goes_on_where_it_stopped", "wrong", begin_anew),
    ("each_subscriber_goes_on_where_it_stopped", "wrong", go_on_from_elsewhere),
    ("each_subscriber_goes_on_where_it_stopped", "wrong", go_on_with_another_state),
    ("each_subscriber_is_told_first_how_it_begins", "wrong", begin_without_an_opening),
    ("each_subscriber_sees_one_job_complete_at_last", "wrong", never_tell_of_the_jobs_end),
    ("each_subscriber_sees_one_job_complete_at_last", "wrong", tell_of_the_jobs_end_too_early),
    ("every_answer_is_one_that_fits", "wrong", answer_500),
    ("the_log_has_no_errors", "wrong", complain),
]


def test_no_invariant_is_violated_when_all_is_well() -> None:
    assert violations_of(Told().aftermath()) == []


@pytest.mark.parametrize(
    ("name", "kind", "spoil"), SPOILERS, ids=[spoil.__name__ for _, _, spoil in SPOILERS]
)
def test_an_invariant_goes_red_on_a_world_that_violates_it(
    name: str, kind: Kind, spoil: Callable[[Told], None]
) -> None:
    world = Told()
    spoil(world)
    invariant = next(each for each in INVARIANTS if each.__name__ == name)
    assert kind in {violation.kind for violation in invariant(world.aftermath())}


def test_each_invariant_has_been_seen_red() -> None:
    assert {name for name, _, _ in SPOILERS} == {invariant.__name__ for invariant in INVARIANTS}


def test_a_job_that_nobody_was_told_of_is_no_violation() -> None:
    """Its request got no answer: it may have been accepted."""
    world = Told()
    sent = a_jpeg_named("unanswered")
    world.records.leave_unanswered([sent])
    add_job(world, "other", sent)
    assert violations_of(world.aftermath()) == []


def test_a_subscriber_that_comes_back_and_hears_signs_of_life_is_no_violation() -> None:
    world = Told()
    frames = world.frames[JOB]
    come_back(frames)
    frames.insert(4, {name: value for name, value in frames[3].items() if name != "resumed"})
    assert violations_of(world.aftermath()) == []


def test_where_results_are_lost_the_object_of_an_attempt_belongs_to_its_job() -> None:
    world = Told()
    leave_an_object(world)
    world.objects["processed"].add("processed/t-other.png-a12/other.png")
    assert violations_of(evolve(world.aftermath(), results_were_lost=True)) == []


def test_where_results_are_lost_too_an_object_of_nobody_is_left_over() -> None:
    world = Told()
    world.objects["processed"].add("t-nobody-a2/good.jpg")
    assert counted(violations_of(evolve(world.aftermath(), results_were_lost=True)), "left over") == 1


def test_an_image_that_violates_several_invariants_is_counted_once() -> None:
    world = Told()
    lose_an_original(world)
    lose_a_processed_image(world)
    spoil_a_processed_image(world)
    assert counted(violations_of(world.aftermath()), "lost") == 2


def test_violations_are_told_in_words_and_not_all_of_them() -> None:
    world = Told()
    world.complaints += [f"error {number}" for number in range(30)]
    texts = told(violations_of(world.aftermath()))
    assert texts[0] == "wrong: in a log: error 0"
    assert texts[-1] == "wrong: and 10 more"
