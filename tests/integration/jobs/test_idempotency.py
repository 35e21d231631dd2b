"""Requests with an idempotency key: one job for all of them, and nothing left of those that were too many."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import pytest

from gateway.domain.job_id import new_job_id
from gateway.domain.options import BatchOptions
from gateway.domain.receipt import receipt_of
from gateway.domain.transitions import accept
from gateway.errors import BadInput, TooSlow, Unavailable, Unprocessable
from gateway.intake.batch import SentImage
from gateway.jobs.accepting.idempotency import Accepted, Asked, KeyReused, RequestInFlight
from gateway.metadata import FieldPolicy, MetadataPolicy
from tests.builders import an_image
from tests.integration.jobs.batches import Linked, Member, Sent
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_submit import clean_as_at_a_start, sent
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, a_png, a_truncated_jpeg, padded

DAY_S = 24 * 3600
URL = "https://example.com/a.jpg"


async def cut(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


class Sender:
    """Sends an image up to its last byte, and that one once it may."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.waits = asyncio.Event()
        self.may_end = asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        yield self._content[:-1]
        self.waits.set()
        await self.may_end.wait()
        yield self._content[-1:]

    async def waiting(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.waits.wait()


async def jobs(parts: Parts) -> int:
    return (await parts.jobs.page(limit=1)).total


async def reservations(parts: Parts) -> Sequence[str]:
    """Those that a request has left: what nobody took is given back before."""
    await parts.reserved.give_back()
    return await parts.jobs.overdue(parts.clock.now().replace(year=9000), limit=1000)


class TestRepeat:
    async def test_the_same_request_gets_the_first_answer_again(self, parts: Parts):
        first = await parts.accepted(sent(a_jpeg()), Linked(URL), key="k")
        parts.clock.turn(60)
        again = await parts.accepted(sent(a_jpeg()), Linked(URL), key="k")
        assert (first.is_repeat, again.is_repeat) == (False, True)
        assert again.receipt == first.receipt
        assert await jobs(parts) == 1

    async def test_it_leaves_no_object_and_no_reservation(self, parts: Parts):
        await parts.accepted(sent(a_jpeg()), sent(a_png()), key="k")
        files = parts.files()
        await parts.accepted(sent(a_jpeg()), sent(a_png()), key="k")
        assert parts.files() == files
        assert list(await reservations(parts)) == []

    async def test_bytes_that_come_in_other_pieces_are_the_same(self, parts: Parts):
        images = [a_jpeg(), b"no image at all" * 100, a_truncated_jpeg()]
        await parts.accepted(*(Sent(cut(image, 10), "a.jpg") for image in images), key="k")
        again = await parts.accepted(*(Sent(cut(image, 7000), "a.jpg") for image in images), key="k")
        assert again.is_repeat

    async def test_an_image_that_was_refused_is_known_by_all_of_its_bytes(self, parts: Parts):
        bad = b"no image at all" * 1000
        await parts.accepted(sent(bad), key="k")
        with pytest.raises(KeyReused):
            await parts.accepted(sent(bad[:-1] + b"?"), key="k")

    async def test_an_image_over_the_bound_is_known_again(self, parts: Parts):
        await parts.accepted(sent(padded(a_jpeg(), 10 * 1024 * 1024 + 1)), key="k")
        again = await parts.accepted(
            Sent(cut(padded(a_jpeg(), 10 * 1024 * 1024 + 1), 65536), "photo.jpg"), key="k"
        )
        assert again.is_repeat

    async def test_it_needs_no_object_store(self, parts: Parts):
        await parts.accepted(sent(a_jpeg()), key="k")
        shutil.rmtree(parts.folder / "objects")
        (parts.folder / "objects").write_bytes(b"no folder any more")
        assert (await parts.accepted(sent(a_jpeg()), key="k")).is_repeat
        with pytest.raises(Unavailable):
            await parts.accepted(sent(a_jpeg()), key="other")

    async def test_what_is_not_taken_any_more_is_answered_as_it_was_when_it_was(self, tmp_path):
        asked = sent(a_jpeg()), BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
        async with parts_in(tmp_path, metadata_options="allowed") as parts:
            first = await parts.accepted(*asked, key="k")
        async with parts_in(tmp_path, metadata_options="refused") as parts:
            again = await parts.accepted(sent(a_jpeg()), asked[1], key="k")
            assert again.receipt == first.receipt
            with pytest.raises(BadInput):
                await parts.accepted(sent(a_jpeg()), asked[1], key="other")

    async def test_it_is_answered_from_the_first_instant_to_the_last(self, parts: Parts):
        first = await parts.accepted(sent(a_jpeg()), key="k")
        parts.clock.turn(DAY_S - 1)
        assert (await parts.accepted(sent(a_jpeg()), key="k")).receipt == first.receipt

    async def test_after_its_time_the_key_is_as_new(self, parts: Parts):
        first = await parts.accepted(sent(a_jpeg()), key="k")
        parts.clock.turn(DAY_S)
        second = await parts.accepted(sent(a_png()), key="k")
        assert not second.is_repeat
        assert second.receipt.job_id != first.receipt.job_id

    async def test_the_cleaner_forgets_it_after_its_time_and_no_sooner(self, parts: Parts):
        await parts.accepted(sent(a_jpeg()), key="k")
        begin = parts.clock.now()
        parts.clock.turn(DAY_S)
        await parts.cleaner.run_once()
        assert await parts.jobs.answer("k", now=begin) is not None
        parts.clock.turn(1)
        await parts.cleaner.run_once()
        assert await parts.jobs.answer("k", now=begin) is None

    async def test_how_long_is_a_setting(self, tmp_path):
        async with parts_in(tmp_path, idempotency_s=60.0) as parts:
            await parts.accepted(sent(a_jpeg()), key="k")
            parts.clock.turn(60)
            assert not (await parts.accepted(sent(a_jpeg()), key="k")).is_repeat

    async def test_requests_without_a_key_are_two(self, parts: Parts):
        await parts.accepted(sent(a_jpeg()))
        await parts.accepted(sent(a_jpeg()))
        assert await jobs(parts) == 2

    async def test_requests_with_two_keys_are_two(self, parts: Parts):
        await parts.accepted(sent(a_jpeg()), key="k")
        await parts.accepted(sent(a_jpeg()), key="K")
        assert await jobs(parts) == 2


class TestOtherContent:
    @pytest.mark.parametrize(
        "other",
        [
            lambda: [sent(a_png())],
            lambda: [sent(a_jpeg()), sent(a_jpeg())],
            lambda: [sent(a_jpeg(), "other.jpg")],
            lambda: [sent(a_jpeg(), None)],
            lambda: [Linked(URL, "photo.jpg")],
            lambda: [sent(a_jpeg()), BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))],
        ],
        ids=["content", "one more", "name", "no name", "URL", "options"],
    )
    async def test_a_key_of_another_request_is_refused_and_nothing_is_done(self, tmp_path, other):
        async with parts_in(tmp_path, metadata_options="allowed") as parts:
            await parts.accepted(sent(a_jpeg()), key="k")
            files = parts.files()
            with pytest.raises(KeyReused):
                await parts.accepted(*other(), key="k")
            assert (await jobs(parts), parts.files()) == (1, files)
            assert list(await reservations(parts)) == []

    async def test_a_request_that_has_become_strict_is_another_one(self, parts: Parts):
        await parts.accepted(sent(b"text"), key="k")
        with pytest.raises(KeyReused):
            await parts.accepted(sent(b"text"), key="k", strict=True)

    async def test_a_key_of_another_kind_of_request_is_refused(self, parts: Parts):
        async def do(_: object):
            raise AssertionError("it must not be done")

        await parts.accepted(sent(a_jpeg()), key="k")
        with pytest.raises(KeyReused):
            await parts.idempotent.once("k", Asked("retry", {}), do)

    async def test_a_repeat_of_a_wrong_shape_is_refused_for_it(self, parts: Parts):
        async def batch():
            for member in list[SentImage]():
                yield member
            raise BadInput("The batch has no images.", code="no_images")

        await parts.accepted(sent(a_jpeg()), key="k")
        with pytest.raises(BadInput, match=r"The batch has no images\."):
            await parts.submit(batch(), key="k")


class TestRefused:
    @pytest.mark.parametrize("trouble", [TooSlow("too slow"), ConnectionResetError(), BadInput("broken")])
    async def test_a_request_that_ended_badly_leaves_its_key_free(self, parts: Parts, trouble):
        async def broken() -> AsyncIterator[bytes]:
            yield a_jpeg()[:500]
            raise trouble

        with pytest.raises(type(trouble)):
            await parts.accepted(Sent(broken()), key="k")
        assert not (await parts.accepted(sent(a_png()), key="k")).is_repeat

    async def test_a_strict_request_that_was_refused_leaves_its_key_free(self, parts: Parts):
        with pytest.raises(Unprocessable):
            await parts.accepted(sent(b"text"), key="k", strict=True)
        assert not (await parts.accepted(sent(a_jpeg()), key="k", strict=True)).is_repeat

    async def test_a_repeat_that_ends_badly_leaves_the_answer(self, parts: Parts):
        async def broken() -> AsyncIterator[bytes]:
            yield a_jpeg()[:500]
            raise ConnectionResetError

        await parts.accepted(sent(a_jpeg()), key="k")
        with pytest.raises(ConnectionResetError):
            await parts.accepted(Sent(broken(), "photo.jpg"), key="k")
        assert (await parts.accepted(sent(a_jpeg()), key="k")).is_repeat


class TestInFlight:
    async def test_a_second_one_is_sent_away_until_the_first_is_answered(self, parts: Parts):
        sender = Sender(a_jpeg())
        first = asyncio.create_task(parts.accepted(Sent(sender.body(), "photo.jpg"), key="k"))
        await sender.waiting()
        with pytest.raises(RequestInFlight) as caught:
            await parts.accepted(sent(a_jpeg()), key="k")
        assert caught.value.retry_after_s == 1
        sender.may_end.set()
        receipt = (await first).receipt
        assert (await parts.accepted(sent(a_jpeg()), key="k")).receipt == receipt

    async def test_two_repeats_at_once_are_one_and_one_sent_away(self, parts: Parts):
        await parts.accepted(sent(a_jpeg()), key="k")
        sender = Sender(a_jpeg())
        repeat = asyncio.create_task(parts.accepted(Sent(sender.body(), "photo.jpg"), key="k"))
        await sender.waiting()
        with pytest.raises(RequestInFlight):
            await parts.accepted(sent(a_jpeg()), key="k")
        sender.may_end.set()
        assert (await repeat).is_repeat

    async def test_a_request_that_is_cancelled_gives_the_key_free(self, parts: Parts):
        sender = Sender(a_jpeg())
        first = asyncio.create_task(parts.accepted(Sent(sender.body()), key="k"))
        await sender.waiting()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not (await parts.accepted(sent(a_jpeg()), key="k")).is_repeat

    async def test_another_key_is_not_held_up(self, parts: Parts):
        sender = Sender(a_jpeg())
        first = asyncio.create_task(parts.accepted(Sent(sender.body()), key="k"))
        await sender.waiting()
        await parts.accepted(sent(a_jpeg()), key="other")
        sender.may_end.set()
        await first


@contextmanager
def no_commits(parts: Parts) -> Iterator[None]:
    """Another program has the file: what is to be committed waits for it, a few seconds."""
    connection = sqlite3.connect(parts.folder / "jobs.sqlite", isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


class TestUnknownOutcome:
    """A request is cancelled at its commit, which may have been made."""

    @pytest.mark.parametrize("leaves_after_s", [0, 0.001, 0.003, 0.01, 0.03])
    async def test_the_repeat_finds_out_and_there_is_one_job(self, parts: Parts, leaves_after_s: float):
        await parts.submitted(sent(a_png()))  # now trace ids are reserved: the next commit is the job's
        sender = Sender(a_jpeg())
        with no_commits(parts):
            first = asyncio.create_task(parts.accepted(Sent(sender.body(), "photo.jpg"), key="k"))
            await sender.waiting()
            sender.may_end.set()
            while len(parts.files()) < 2:
                await asyncio.sleep(0)
            await asyncio.sleep(leaves_after_s)
            first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        again = await parts.accepted(sent(a_jpeg()), key="k")
        assert await jobs(parts) == 2
        assert (await parts.accepted(sent(a_jpeg()), key="k")).receipt == again.receipt
        await clean_as_at_a_start(parts)
        assert len(parts.files()) == 2


class TestLeaseThatRanOut:
    """The first one took longer than any request may, and a second one was answered meanwhile."""

    async def overtaken(self, parts: Parts, *second: Member) -> tuple[asyncio.Task, Accepted]:
        sender = Sender(a_jpeg())
        first = asyncio.create_task(parts.accepted(Sent(sender.body(), "photo.jpg"), key="k"))
        await sender.waiting()
        parts.clock.turn(parts.intake.total_s + 601)
        quicker = await parts.accepted(*second, key="k")
        sender.may_end.set()
        return first, quicker

    async def test_the_first_gets_the_answer_of_the_second_and_takes_back_its_objects(self, parts: Parts):
        first, quicker = await self.overtaken(parts, sent(a_jpeg()))
        assert (await first) == Accepted(quicker.receipt, is_repeat=True)
        job = await parts.jobs.get(quicker.receipt.job_id)
        assert job.images[0].original is not None
        assert parts.files() == [f"original/{job.images[0].original.key}"]
        assert await jobs(parts) == 1

    async def test_the_first_is_refused_where_the_second_asked_for_something_else(self, parts: Parts):
        first, _ = await self.overtaken(parts, sent(a_png()))
        with pytest.raises(KeyReused):
            await first
        assert (await jobs(parts), len(parts.files())) == (1, 1)

    async def test_the_first_lets_go_of_no_lease_of_a_third(self, parts: Parts):
        first, _ = await self.overtaken(parts, sent(a_jpeg()))
        sender = Sender(a_jpeg())
        third = asyncio.create_task(parts.accepted(Sent(sender.body(), "photo.jpg"), key="k"))
        await sender.waiting()
        await first
        with pytest.raises(RequestInFlight):
            await parts.accepted(sent(a_jpeg()), key="k")
        sender.may_end.set()
        await third


class TestOnce:
    """Of requests whose content is known before anything is done."""

    async def test_it_is_done_once(self, parts: Parts):
        calls = 0

        async def do(companions):
            nonlocal calls
            calls += 1
            change = accept(new_job_id(parts.clock.now()), [an_image()], parts.clock.now())
            await parts.ledger.add(change, reserved=(), companions=companions(change.job))
            return change.job

        asked = Asked("retry", {"job_id": "j", "images": [1]})
        first = await parts.idempotent.once("k", asked, do)
        again = await parts.idempotent.once("k", asked, do)
        assert calls == 1
        assert again == Accepted(first.receipt, is_repeat=True)
        with pytest.raises(KeyReused):
            await parts.idempotent.once("k", Asked("retry", {"job_id": "j", "images": [2]}), do)

    async def test_one_that_was_overtaken_gets_the_others_answer(self, parts: Parts):
        async def do(companions):
            now = parts.clock.now()
            quicker, own = (accept(new_job_id(now), [an_image()], now) for _ in range(2))
            for change in (quicker, own):
                await parts.ledger.add(change, reserved=(), companions=companions(change.job))
            return own.job

        accepted = await parts.idempotent.once("k", Asked("retry", {}), do)
        (kept,) = (await parts.jobs.page(limit=5)).jobs
        assert accepted == Accepted(receipt_of(await parts.jobs.get(kept.job_id)), is_repeat=True)
