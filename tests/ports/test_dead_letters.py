"""The suite of the port DeadLetterStore, and of letters as companions of a job's changes."""

from datetime import timedelta

import pytest

from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.domain.job_id import new_job_id
from gateway.ports.dead_letters import DeadLetterNotFound
from gateway.ports.job_store import BadCursor, JobNotFound, TakenLetter
from tests.builders import NOW, a_dead_letter, an_accepted_job, publish
from tests.ports.job_stores import SECOND, Store, add


async def kept(store: Store, *letters: DeadLetter) -> None:
    for letter in letters:
        await store.keep_letter(letter)


async def ids(store: Store) -> list[str]:
    return [letter.dead_letter_id for letter in (await store.letters(limit=100)).letters]


def changes_nothing(_: Job) -> Change | None:
    return None


class TestKept:
    async def test_a_letter_is_read_as_it_was_kept(self, store: Store):
        letter = a_dead_letter()
        await kept(store, letter)
        assert await store.letter(letter.dead_letter_id) == letter
        assert list((await store.letters(limit=1)).letters) == [letter]

    async def test_an_attempt_has_one_letter_however_often_it_is_kept(self, store: Store):
        letter = a_dead_letter()
        await kept(store, letter, letter)
        page = await store.letters(limit=10)
        assert (list(page.letters), page.total) == ([letter], 1)

    async def test_it_is_committed_with_the_change_of_its_job(self, store: Store):
        job = await add(store, an_accepted_job())
        letter = a_dead_letter(job)
        await store.update(job.job_id, publish, companions=[letter])
        assert await ids(store) == [letter.dead_letter_id]

    async def test_it_is_committed_though_its_job_does_not_change(self, store: Store):
        job = await add(store, an_accepted_job())
        letter = a_dead_letter(job)
        await store.update(job.job_id, changes_nothing, companions=[letter])
        assert await ids(store) == [letter.dead_letter_id]

    async def test_without_its_job_nothing_is_kept_beside_a_change(self, store: Store):
        with pytest.raises(JobNotFound):
            await store.update(new_job_id(NOW), changes_nothing, companions=[a_dead_letter()])
        assert await ids(store) == []

    async def test_a_decision_that_raises_keeps_nothing(self, store: Store):
        job = await add(store, an_accepted_job())

        def raises(_: Job) -> Change | None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await store.update(job.job_id, raises, companions=[a_dead_letter(job)])
        assert await ids(store) == []


class TestTaken:
    async def test_it_is_taken_away_with_the_change_that_is_made_of_it(self, store: Store):
        job = await add(store, an_accepted_job())
        letter = a_dead_letter(job)
        await kept(store, letter)
        await store.update(job.job_id, publish, companions=[TakenLetter(letter.dead_letter_id)])
        assert await ids(store) == []
        with pytest.raises(DeadLetterNotFound):
            await store.letter(letter.dead_letter_id)

    async def test_it_is_taken_away_with_the_new_job_that_is_made_of_it(self, store: Store):
        letter = a_dead_letter()
        await kept(store, letter)
        accepted = an_accepted_job()
        await store.add(accepted, reserved=[], companions=[TakenLetter(letter.dead_letter_id)])
        assert await ids(store) == []

    async def test_it_can_be_taken_once_and_then_nothing_changes(self, store: Store):
        job = await add(store, an_accepted_job())
        letter = a_dead_letter(job)
        await kept(store, letter)
        taken = TakenLetter(letter.dead_letter_id)
        await store.update(job.job_id, changes_nothing, companions=[taken])
        with pytest.raises(DeadLetterNotFound):
            await store.update(job.job_id, publish, companions=[taken])
        assert (await store.get(job.job_id)).images[0].published_at is None

    async def test_a_new_job_of_a_letter_that_is_gone_is_not_kept(self, store: Store):
        accepted = an_accepted_job()
        with pytest.raises(DeadLetterNotFound):
            await store.add(accepted, reserved=[], companions=[TakenLetter("nobody's")])
        with pytest.raises(JobNotFound):
            await store.get(accepted.job.job_id)

    async def test_one_that_was_taken_is_not_shown_again_when_its_message_comes_twice(self, store: Store):
        job = await add(store, an_accepted_job())
        letter = a_dead_letter(job)
        await kept(store, letter)
        await store.update(job.job_id, changes_nothing, companions=[TakenLetter(letter.dead_letter_id)])
        await store.update(job.job_id, changes_nothing, companions=[letter])
        await kept(store, letter)
        assert (await store.letters(limit=10)).total == 0


class TestDeleted:
    async def test_one_that_is_deleted_is_gone_and_the_others_stay(self, store: Store):
        first, second = a_dead_letter(), a_dead_letter()
        await kept(store, first, second)
        await store.delete_letter(first.dead_letter_id)
        assert await ids(store) == [second.dead_letter_id]

    async def test_one_that_is_not_there_can_not_be_deleted(self, store: Store):
        letter = a_dead_letter()
        await kept(store, letter)
        await store.delete_letter(letter.dead_letter_id)
        for dead_letter_id in (letter.dead_letter_id, "nobody's"):
            with pytest.raises(DeadLetterNotFound):
                await store.delete_letter(dead_letter_id)

    async def test_all_are_deleted_and_counted(self, store: Store):
        await kept(store, *(a_dead_letter() for _ in range(3)))
        assert await store.delete_letters() == 3
        assert (await store.letters(limit=10)).total == 0
        assert await store.delete_letters() == 0

    async def test_none_that_was_deleted_is_shown_again_when_its_message_comes_twice(self, store: Store):
        first, second = a_dead_letter(), a_dead_letter()
        await kept(store, first, second)
        await store.delete_letter(first.dead_letter_id)
        await store.delete_letters()
        await kept(store, first, second)
        assert await ids(store) == []


class TestForgotten:
    async def test_letters_go_with_their_job(self, store: Store):
        job, other = await add(store, an_accepted_job()), await add(store, an_accepted_job())
        for each in (job, other):
            await store.update(each.job_id, changes_nothing, companions=[a_dead_letter(each)])
        await store.delete(job.job_id)
        assert [letter.job_id for letter in (await store.letters(limit=10)).letters] == [other.job_id]

    async def test_those_without_a_job_are_forgotten_by_their_age(self, store: Store):
        old, new = a_dead_letter(at=NOW), a_dead_letter(at=NOW + SECOND)
        await kept(store, old, new)
        assert await store.forget_letters(before=NOW + SECOND) == 1
        assert await ids(store) == [new.dead_letter_id]

    async def test_those_of_a_job_that_is_there_stay_however_old_they_are(self, store: Store):
        job = await add(store, an_accepted_job())
        await store.update(job.job_id, changes_nothing, companions=[a_dead_letter(job)])
        assert await store.forget_letters(before=NOW + timedelta(days=3)) == 0
        assert len(await ids(store)) == 1


class TestPages:
    async def test_the_newest_come_first_page_by_page(self, store: Store):
        letters = [a_dead_letter(at=NOW - number * SECOND) for number in range(5)]
        await kept(store, *letters)
        seen: list[DeadLetter] = []
        cursor, totals = None, set()
        while True:
            page = await store.letters(limit=2, cursor=cursor)
            seen += page.letters
            totals.add(page.total)
            if (cursor := page.next_cursor) is None:
                break
        assert seen == letters[::-1]
        assert totals == {5}

    async def test_a_page_that_holds_the_last_has_no_cursor(self, store: Store):
        await kept(store, a_dead_letter(), a_dead_letter())
        assert (await store.letters(limit=2)).next_cursor is None
        assert (await store.letters(limit=1)).next_cursor is not None

    async def test_one_that_is_taken_while_somebody_turns_pages_moves_no_other(self, store: Store):
        letters = [a_dead_letter() for _ in range(4)]
        await kept(store, *letters)
        first = await store.letters(limit=2)
        for letter in first.letters:
            await store.delete_letter(letter.dead_letter_id)
        second = await store.letters(limit=2, cursor=first.next_cursor)
        assert list(second.letters) == [letters[1], letters[0]]

    async def test_without_letters_the_page_is_empty(self, store: Store):
        page = await store.letters(limit=10)
        assert (list(page.letters), page.total, page.next_cursor) == ([], 0, None)

    @pytest.mark.parametrize("cursor", ["", "0", "-1", "x", "1.5", "9" * 30, "é"])
    async def test_a_cursor_that_is_none_is_refused(self, store: Store, cursor: str):
        with pytest.raises(BadCursor):
            await store.letters(limit=1, cursor=cursor)
