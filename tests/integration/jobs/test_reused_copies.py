"""Tagged copies that several jobs name: what stays of them, and when, whatever the stores and the cleaner do."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from gateway.domain.job import Image, ImageRef, Stage, Status
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed
from gateway.domain.transitions import cancel
from gateway.errors import Unavailable
from gateway.jobs.accepting.submit import Submit
from gateway.jobs.reuse import Reuse
from gateway.messages import encode
from gateway.metadata import FieldPolicy, MetadataPolicy
from gateway.ports.job_store import JobNotFound
from gateway.ports.object_store import Bucket, ObjectKey, StoredObject
from gateway.processor.tags import write_tags
from tests.integration.jobs.analysed_jobs import DAY_S, analyse, analysed, clean_after, copy_of
from tests.integration.jobs.batches import Linked, Member, batch_of
from tests.integration.jobs.downloads import fetched_once, fetching
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import WORDS, collect, result
from tests.integration.jobs.test_retry import failed
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg, a_png
from tests.servers.web import image as page_of
from tests.servers.web import web_server

KEEP_TITLES = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts_in(tmp_path, reuse=True, metadata_options="allowed") as made:
        yield made


# Tagged copies that are named by several jobs


async def test_a_tagged_copy_goes_with_the_last_job_that_names_it(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(60)
    second = await parts.submitted(sent(a_jpeg()))
    parts.clock.turn(60)
    third = await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S - 119)
    with pytest.raises(JobNotFound):
        await parts.jobs.get(first.job_id)
    assert copy_of(second.images[0]) in parts.files()
    await clean_after(parts, 60)
    assert copy_of(third.images[0]) in parts.files()
    await clean_after(parts, 60)
    assert parts.files() == []


async def test_a_job_that_is_removed_before_the_one_it_reuses_leaves_the_copy_there(parts: Parts):
    first = await parts.submitted(sent(a_jpeg()), sent(a_png()))
    message = result(first)
    await parts.put(Bucket.PROCESSED, message.processed_path, write_tags(a_jpeg(), WORDS))
    await collect(parts, encode(message))
    second = await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S + 1)
    with pytest.raises(JobNotFound):
        await parts.jobs.get(second.job_id)
    assert f"processed/{message.processed_path}" in parts.files()


async def test_jobs_whose_time_ends_together_leave_nothing(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    for _ in range(3):
        await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S + 1)
    assert parts.files() == []


async def test_once_the_analysed_image_is_gone_the_next_one_is_analysed(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(60)
    await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S - 59)
    (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.status is Status.PENDING


async def test_a_repeated_result_of_a_job_that_is_gone_leaves_the_copy_to_who_reuses_it(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(60)
    second = await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S - 59)
    await collect(parts, encode(result(first)))
    assert copy_of(second.images[0]) in parts.files()


# Tried again


async def test_an_image_that_is_tried_again_is_analysed_though_its_bytes_were(parts: Parts):
    job = await failed(parts, await parts.submitted(sent(a_jpeg())), 0)
    await analysed(parts, sent(a_jpeg()))
    (image,) = (await parts.retry(job.job_id)).images
    assert (image.status, image.reused_from) == (Status.PENDING, None)


async def test_what_was_found_then_is_reused_and_stays_as_long_as_it_is_named(parts: Parts):
    job = await failed(parts, await parts.submitted(sent(a_jpeg())), 0)
    parts.clock.turn(60)
    again = await analyse(parts, await parts.retry(job.job_id))
    parts.clock.turn(60)
    (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.reused_from == ImageRef(again.job_id, 0)
    await clean_after(parts, DAY_S - 59)
    assert copy_of(image) in parts.files()
    with pytest.raises(JobNotFound):
        await parts.jobs.get(again.job_id)
    await clean_after(parts, 60)
    assert parts.files() == []


# Stores that lost something, or are in trouble


async def test_an_image_whose_tagged_copy_is_gone_is_not_reused(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    assert first.images[0].processed_path
    await parts.objects.delete(ObjectKey(Bucket.PROCESSED, first.images[0].processed_path))
    (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.status is Status.PENDING


class Silent:
    """An object store, or a job store, that does not answer in time."""

    async def head(self, key: ObjectKey) -> StoredObject:
        raise Unavailable("The object store is down.", detail=str(key))

    async def find_analysed(self, sha256s: object, options: BatchOptions) -> dict[str, Analysed]:
        raise TimeoutError


@pytest.mark.parametrize("silent", ["objects", "analysed"])
async def test_while_a_store_can_not_tell_images_are_analysed(parts: Parts, silent: str):
    await analysed(parts, sent(a_jpeg()))
    store: Any = Silent()
    reuse = evolve(parts.reuse, **{silent: store})
    (image,) = await submitted_with(parts, reuse, sent(a_jpeg()))
    assert image.status is Status.PENDING


class Endless:
    """A job store that is still looking."""

    def __init__(self) -> None:
        self.was_asked = asyncio.Event()

    async def find_analysed(self, sha256s: object, options: BatchOptions) -> dict[str, Analysed]:
        self.was_asked.set()
        await asyncio.Event().wait()
        return {}


async def test_a_request_that_is_cancelled_while_it_is_looked_for_leaves_nothing(parts: Parts):
    endless: Any = Endless()
    reuse = evolve(parts.reuse, analysed=endless)
    request = asyncio.create_task(submitted_with(parts, reuse, sent(a_jpeg())))
    await endless.was_asked.wait()
    assert len(parts.files()) == 1
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert parts.files() == []


async def submitted_with(parts: Parts, reuse: Reuse, *members: Member) -> Sequence[Image]:
    submit: Submit = evolve(parts.submit, reuse=reuse)
    accepted = await submit(batch_of(*members))
    return (await parts.jobs.get(accepted.receipt.job_id)).images


@define(eq=False)
class Overtaken:
    """The real job store, and what happens just after it told what can be reused."""

    parts: Parts
    meanwhile: Callable[[], Awaitable[object]]

    async def find_analysed(self, sha256s: list[str], options: BatchOptions) -> object:
        found = await self.parts.jobs.find_analysed(sha256s, options)
        await self.meanwhile()
        return found


async def test_an_image_whose_source_is_removed_before_its_commit_is_analysed(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    overtaken: Any = Overtaken(parts, lambda: parts.jobs.withdraw([first.job_id]))
    (image,) = await submitted_with(parts, evolve(parts.reuse, analysed=overtaken), sent(a_jpeg()))
    assert (image.status, image.reused_from) == (Status.PENDING, None)
    assert image.original is not None
    assert f"original/{image.original.key}" in parts.files()


async def test_a_download_whose_source_is_removed_before_its_commit_is_analysed(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    overtaken: Any = Overtaken(parts, lambda: parts.jobs.retire(first.job_id))
    reuse = evolve(parts.reuse, analysed=overtaken)
    async with web_server({"/a.jpg": page_of(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")))
        (image,) = await fetched_once(parts, evolve(fetcher, reuse=reuse), job)
    assert (image.stage, image.reused_from) == (Stage.PUBLISH, None)


async def test_whatever_the_cleaner_takes_beside_requests_what_is_told_as_completed_is_there(parts: Parts):
    """Jobs whose time is over go while the same bytes are sent again and again."""
    for _ in range(5):
        await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(DAY_S + 1)
    jobs, _ = await asyncio.gather(
        asyncio.gather(*(parts.submitted(sent(a_jpeg())) for _ in range(20))), parts.cleaner.run_once()
    )
    files = parts.files()
    for image in (image for job in jobs for image in job.images):
        assert image.status is Status.PENDING or copy_of(image) in files


class Died(Exception):
    """The process, as far as the cleaner can tell."""


@define(eq=False)
class Death:
    """Comes before step `at` of the cleaner, counted from 0, and lets none happen that would follow."""

    at: int
    steps: int = 0

    def of(self, part: object, *steps: str) -> Any:
        """The part, with those of its methods as steps."""
        return Mortal(part, steps, self)

    def step(self) -> None:
        if self.has_come:
            raise Died
        self.steps += 1

    @property
    def has_come(self) -> bool:
        return self.steps == self.at


@define(eq=False)
class Mortal:
    _part: object
    _steps: tuple[str, ...]
    _death: Death

    def __getattr__(self, name: str) -> Any:
        do = getattr(self._part, name)
        if name not in self._steps:
            return do

        async def step(argument: object) -> object:
            self._death.step()
            return await do(argument)

        return step


async def dies_while_it_cleans(parts: Parts, death: Death) -> None:
    cleaner = evolve(
        parts.cleaner,
        objects=death.of(parts.objects, "delete"),
        jobs=death.of(parts.jobs, "retire"),
        ledger=death.of(parts.ledger, "delete"),
        analysed=death.of(parts.jobs, "withdraw"),
    )
    with suppress(Died):
        await cleaner.run_once()


async def test_wherever_the_cleaner_dies_what_is_told_as_completed_is_there_and_nothing_is_left(
    tmp_path: Path,
):
    """What it withdrew is forgotten then, and some of the copies are gone."""
    for at in itertools.count():
        death = Death(at)
        async with parts_in(tmp_path / str(at), reuse=True) as parts:
            await analysed(parts, sent(a_jpeg()), sent(a_png()))
            parts.clock.turn(60)
            kept = await parts.submitted(sent(a_jpeg()))
            parts.clock.turn(DAY_S - 59)
            await parts.reserved.give_back()
            await dies_while_it_cleans(parts, death)
        async with parts_in(tmp_path / str(at), reuse=True) as parts:
            parts.clock.turn(DAY_S + 2)
            again = await parts.submitted(sent(a_jpeg()), sent(a_png()))
            copies = {copy_of(image) for image in [*kept.images, *again.images] if image.processed_path}
            assert copies <= {*parts.files()}
            await parts.ledger.change(again.job_id, lambda job: cancel(job, parts.clock.now()))
            await clean_after(parts, DAY_S + 1)
            assert parts.files() == []
        if not death.has_come:
            return
