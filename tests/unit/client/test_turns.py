"""Which jobs are asked for next on a connection that follows many."""

from attrs import define, field

from gateway.client.live.told import Told
from gateway.client.live.turns import UNANSWERED, Turns

NOW = 100.0


@define
class Door:
    """Keeps what it is asked for."""

    asked: list[str] = field(factory=list)

    async def subscribe(self, job_id: str, after: str | None, *, images: bool) -> None:
        self.asked.append(job_id)


def turns_of(*job_ids: str) -> tuple[Turns, Door]:
    door = Door()
    return Turns(door, {job_id: Told() for job_id in job_ids}, images=False), door


async def test_no_more_is_asked_for_than_may_be_unanswered():
    turns, door = turns_of(*(f"job {number}" for number in range(UNANSWERED + 2)))
    await turns.take(NOW)
    assert len(door.asked) == UNANSWERED


async def test_an_answer_makes_room_for_one_more():
    turns, door = turns_of(*(f"job {number}" for number in range(UNANSWERED + 2)))
    await turns.take(NOW)
    turns.answered("job 0")
    await turns.take(NOW)
    assert door.asked[-1] == f"job {UNANSWERED}"
    assert len(door.asked) == UNANSWERED + 1


async def test_no_job_is_asked_for_twice():
    turns, door = turns_of("a", "b")
    await turns.take(NOW)
    await turns.take(NOW)
    assert door.asked == ["a", "b"]


async def test_one_above_the_gateways_limit_waits_for_the_end_of_another():
    turns, door = turns_of("a", "b")
    await turns.take(NOW)
    turns.answered("a")
    assert turns.put_off("b")
    await turns.take(NOW)
    assert door.asked == ["a", "b"]
    turns.ended("a")
    await turns.take(NOW)
    assert door.asked == ["a", "b", "b"]


async def test_a_job_that_is_full_itself_does_not_hold_up_those_behind_it():
    turns, _ = turns_of("full", "b")
    await turns.take(NOW)
    assert turns.put_off("full")


async def test_where_none_is_followed_no_end_of_another_would_help():
    turns, _ = turns_of("a")
    await turns.take(NOW)
    assert not turns.put_off("a")


async def test_the_first_event_after_an_answer_opens_the_subscription():
    turns, _ = turns_of("a")
    await turns.take(NOW)
    turns.answered("a")
    assert [turns.is_first("a") for _ in range(3)] == [True, False, False]


class TestLater:
    """A job that can't be followed now."""

    async def test_it_is_asked_for_again_at_its_time_and_not_before(self):
        turns, door = turns_of("a", "b")
        await turns.take(NOW)
        turns.later("a", NOW + 2)
        await turns.take(NOW + 1)
        assert (door.asked, turns.next_at) == (["a", "b"], NOW + 2)
        await turns.take(NOW + 2)
        assert (door.asked, turns.next_at) == (["a", "b", "a"], None)

    async def test_its_place_is_free_for_another_one(self):
        turns, door = turns_of("a", "b")
        await turns.take(NOW)
        turns.answered("a")
        turns.put_off("b")
        turns.later("a", NOW + 2)
        await turns.take(NOW)
        assert door.asked == ["a", "b", "b"]

    async def test_a_turn_that_waits_for_it_will_come(self):
        turns, _ = turns_of("a", "b")
        await turns.take(NOW)
        turns.later("a", NOW + 2)
        assert turns.put_off("b")
