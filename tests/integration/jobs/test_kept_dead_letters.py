"""The copy that is kept of each dead letter of ours, committed with what it did to its job."""

import pytest
from attrs import evolve

from gateway.domain.attempt import AttemptName
from gateway.domain.dead_letter import DeadLetter
from gateway.errors import Unavailable
from gateway.jobs.dead_letters.rejected import MAX_BODY_BYTES
from gateway.ports.broker import Queue
from tests.golden import golden
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_collector import a_published_job
from tests.integration.jobs.test_dead_letters import (
    DownAfter,
    a_dead_upload,
    a_job_in_the_broker,
    give_up,
    publish_letter,
    reject_all,
)


async def kept(parts: Parts) -> list[DeadLetter]:
    """All of them, the newest first."""
    return list((await parts.jobs.letters(limit=100)).letters)


async def lying(parts: Parts) -> int:
    return (await parts.broker.depth(Queue.DEAD_LETTER)).messages


class TestWhatItSays:
    async def test_of_an_existing_analyzers_reject_it_says_what_the_broker_says(self, parts: Parts):
        job = await a_job_in_the_broker(parts)
        await reject_all(parts)
        await parts.dead_letters.run_once()
        trace_id = job.images[0].trace_id
        assert await kept(parts) == [
            DeadLetter(
                dead_letter_id=trace_id,
                job_id=job.job_id,
                index=0,
                trace_id=trace_id,
                attempt=1,
                queue="image_upload",
                reason="rejected",
                code="analysis_failed",
                count=1,
                at=parts.clock.now(),
                body=a_dead_upload(job, AttemptName(trace_id, 1)).decode(),
            )
        ]

    async def test_one_that_somebody_sent_once_more_says_how_often_it_died(self, parts: Parts):
        (found,) = golden("dead_letter.sent_again")
        job = await a_published_job(parts)
        await publish_letter(parts, job, **found["headers_kept"])
        await parts.dead_letters.run_once()
        (letter,) = await kept(parts)
        assert (letter.queue, letter.reason, letter.count) == ("image_upload", "rejected", 2)

    async def test_our_analyzers_reason_is_fit_for_clients_and_its_code_is_there(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(
            parts, job, failure_code="analysis_unreadable", reject_reason="At /srv/a/b.jpg:\nbroken."
        )
        (letter,) = await kept(parts)
        assert (letter.reason, letter.code) == ("At …: broken.", "analysis_unreadable")

    async def test_a_reason_of_blanks_is_none(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job, reject_reason=" \n ")
        (letter,) = await kept(parts)
        assert letter.reason == "rejected"

    async def test_a_copy_of_our_analyzer_lay_once_in_the_queue_that_analyzers_take_from(self, parts: Parts):
        """By the operator's name for it; the copy has no x-death."""
        job = await a_published_job(parts)
        await publish_letter(parts, job)
        await evolve(parts.dead_letters, queue_name=lambda queue: f"ours.{queue}").run_once()
        (letter,) = await kept(parts)
        assert (letter.queue, letter.reason, letter.count) == ("ours.image_upload", "rejected", 1)

    @pytest.mark.parametrize(
        "deaths",
        [
            [{"queue": "", "reason": "", "count": 0}],
            [{"queue": 7, "reason": None, "count": "many"}],
            [{"queue": b"x", "reason": [], "count": -1}],
            [[]],
            "rejected",
        ],
    )
    async def test_where_x_death_says_nothing_it_was_one_reject_of_an_analyzer(self, parts: Parts, deaths):
        job = await a_published_job(parts)
        await publish_letter(parts, job, x_death=deaths)
        await parts.dead_letters.run_once()
        (letter,) = await kept(parts)
        assert (letter.queue, letter.reason, letter.count) == ("image_upload", "rejected", 1)

    async def test_however_much_x_death_says_what_is_kept_is_bounded(self, parts: Parts):
        job = await a_published_job(parts)
        await publish_letter(parts, job, x_death=[{"queue": "q" * 5000, "reason": "r" * 5000}])
        await parts.dead_letters.run_once()
        (letter,) = await kept(parts)
        assert (len(letter.queue), len(letter.reason)) == (255, 255)


class TestOnce:
    async def test_each_attempt_has_its_own(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job, 1)
        await give_up(parts, job, 2)
        trace_id = job.images[0].trace_id
        assert [(letter.dead_letter_id, letter.attempt) for letter in await kept(parts)] == [
            (f"{trace_id}-a2", 2),
            (trace_id, 1),
        ]

    async def test_one_that_comes_twice_is_kept_once_and_counted_once(self, parts: Parts):
        job = await a_published_job(parts)
        for _ in range(2):
            await give_up(parts, job, 1)
        assert len(await kept(parts)) == 1
        assert parts.measured("dead_letters_total") == 1
        assert (await parts.jobs.get(job.job_id)).images[0].attempt == 2

    async def test_one_that_comes_again_after_it_was_deleted_is_not_shown_again(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job, 1)
        await parts.jobs.delete_letter(job.images[0].trace_id)
        await give_up(parts, job, 1)
        assert await kept(parts) == []
        assert await lying(parts) == 0

    async def test_one_of_an_attempt_that_is_not_the_newest_is_kept_and_ends_nothing(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job, 2)
        (letter,) = await kept(parts)
        assert letter.attempt == 2
        assert parts.measured("dead_letters_total") == 0

    async def test_one_of_a_job_that_is_gone_is_kept_without_an_index(self, parts: Parts):
        job = await a_job_in_the_broker(parts)
        await reject_all(parts)
        await parts.ledger.delete(job.job_id)
        await parts.dead_letters.run_once()
        (letter,) = await kept(parts)
        assert (letter.job_id, letter.index) == (job.job_id, None)

    async def test_one_that_can_not_be_kept_has_ended_nothing_and_lies_there(self, parts: Parts):
        job = await a_published_job(parts)
        await publish_letter(parts, job)
        ledger = evolve(parts.ledger, store=DownAfter(parts.jobs, changes_left=0))  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            await evolve(parts.dead_letters, ledger=ledger).run_once()
        assert await kept(parts) == []
        assert (await parts.jobs.get(job.job_id)).images[0].attempt == 1
        assert await lying(parts) == 1


class TestTakenForOthers:
    """What bears our names and yet can't be ours stays where it is."""

    async def test_a_message_larger_than_any_of_ours(self, parts: Parts):
        job = await a_published_job(parts)
        largest = a_dead_upload(job, AttemptName(job.images[0].trace_id, 1), padded_to=MAX_BODY_BYTES)
        await parts.broker.publish(Queue.DEAD_LETTER, largest + b" ")
        await parts.dead_letters.run_once()
        assert (await lying(parts), await kept(parts)) == (1, [])
        await parts.broker.publish(Queue.DEAD_LETTER, largest)
        await parts.dead_letters.run_once()
        assert (await lying(parts), len(await kept(parts))) == (1, 1)

    @pytest.mark.parametrize("more", [b"[" * 1000 + b"]" * 1000, b"{}", b"[]"])
    async def test_a_message_that_is_not_flat(self, parts: Parts, more: bytes):
        """Clients get it as JSON in JSON, and some readers stop at a depth."""
        job = await a_published_job(parts)
        flat = a_dead_upload(job, AttemptName(job.images[0].trace_id, 1))
        await parts.broker.publish(Queue.DEAD_LETTER, flat[:-1] + b',"more":' + more + b"}")
        await parts.dead_letters.run_once()
        assert (await lying(parts), await kept(parts)) == (1, [])


class TestHowLong:
    """As long as its job, or as long as one would be kept."""

    async def test_it_goes_with_its_job(self, parts: Parts):
        job = await a_published_job(parts)
        for number in (1, 2, 3):
            await give_up(parts, job, number)
        parts.clock.turn(parts.settings.keep_s)
        await parts.cleaner.run_once()
        assert len(await kept(parts)) == 3
        parts.clock.turn(1)
        await parts.cleaner.run_once()
        assert await kept(parts) == []

    async def test_that_of_an_open_job_stays_however_old_it_is(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job)
        parts.clock.turn(10 * parts.settings.keep_s)
        await parts.cleaner.run_once()
        assert len(await kept(parts)) == 1

    async def test_without_a_job_it_is_kept_as_long_as_a_job_that_has_ended(self, parts: Parts):
        job = await a_published_job(parts)
        await parts.ledger.delete(job.job_id)
        await publish_letter(parts, job)
        await parts.dead_letters.run_once()
        parts.clock.turn(parts.settings.keep_s)
        await parts.cleaner.run_once()
        assert len(await kept(parts)) == 1
        parts.clock.turn(1)
        await parts.cleaner.run_once()
        assert await kept(parts) == []
