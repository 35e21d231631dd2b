"""What is left of a request in an S3 that fails as well: nothing for long, whatever arrives there and when."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from gateway.domain.job import Status
from gateway.errors import BadInput, Unavailable
from tests.integration.jobs.batches import Sent
from tests.integration.jobs.faulty_scenes import Scene, scene_on
from tests.integration.jobs.parts import LATE_S
from tests.integration.jobs.test_submit import clean_as_at_a_start
from tests.photos import a_jpeg, padded
from tests.servers.faulty_s3 import FaultyS3, arriving_late, passed_on, refused
from tests.servers.held_puts import hold_deletes
from tests.servers.s3 import S3Server

SOON_S = 0.2
"""What is not held up ends by then."""


@pytest.fixture
async def scene(rclone: S3Server, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_on(rclone, tmp_path, timeout_s=6, read_timeout_s=1.5, attempts=2) as made:
        yield made


def sent(content: bytes) -> Sent:
    async def body() -> AsyncIterator[bytes]:
        yield content

    return Sent(body(), "photo.jpg")


def a_bad_end(scene: Scene) -> Sent:
    """It comes when the image before it was stored."""

    async def body() -> AsyncIterator[bytes]:
        yield a_jpeg()[:100]
        await scene.has_objects(1)
        raise BadInput("broken")

    return Sent(body(), "photo.jpg")


async def the_first_arriving_late(store: FaultyS3, request: web.Request) -> web.StreamResponse:
    """The others find all well."""
    if not store.late:
        return await arriving_late(store, request)
    store.fault = None
    return await passed_on(store, request)


def a_bad_end_while(scene: Scene) -> Sent:
    """It comes when the image before it was stored, and the store has begun to refuse everything."""

    async def body() -> AsyncIterator[bytes]:
        yield a_jpeg()[:100]
        await scene.has_objects(1)
        scene.store.fault = refused(503, "SlowDown")
        raise BadInput("broken")

    return Sent(body(), "photo.jpg")


def a_truncated_image_while(scene: Scene) -> Sent:
    """It is so large that its first part is stored before the store begins to refuse, and its end comes."""

    async def body() -> AsyncIterator[bytes]:
        yield padded(a_jpeg(), 6 * 1024**2)[:-100]
        while not await scene.uploads():
            await asyncio.sleep(0.01)
        scene.store.fault = refused(503, "SlowDown")

    return Sent(body(), "large.jpg")


async def test_what_arrives_long_after_its_put_was_given_up_is_removed(scene: Scene) -> None:
    scene.store.fault = arriving_late
    with pytest.raises(Unavailable):
        await scene.parts.submitted(sent(a_jpeg()))
    scene.store.fault = None
    await scene.store.let_late_ones_arrive()
    assert len(await scene.objects()) == 1
    await scene.cleaned(after_s=LATE_S + 1)
    assert await scene.objects() == []
    assert await scene.reserved() == 0


async def test_so_is_what_arrives_after_the_process_that_sent_it_has_ended_and_another_has_cleaned(
    scene: Scene,
) -> None:
    scene.store.fault = arriving_late
    with pytest.raises(Unavailable):
        await scene.parts.submitted(sent(a_jpeg()))
    scene.store.fault = None
    await clean_as_at_a_start(scene.parts)
    await scene.store.let_late_ones_arrive()
    assert len(await scene.objects()) == 1
    await scene.cleaned(after_s=LATE_S + 1)
    assert await scene.objects() == []
    assert await scene.reserved() == 0


async def test_it_is_waited_for(scene: Scene) -> None:
    scene.store.fault = arriving_late
    with pytest.raises(Unavailable):
        await scene.parts.submitted(sent(a_jpeg()))
    scene.store.fault = None
    await scene.cleaned(after_s=LATE_S - 1)
    assert await scene.reserved() == 1


async def test_what_could_not_be_removed_is_removed_soon(scene: Scene) -> None:
    with pytest.raises(BadInput):
        await scene.parts.submitted(sent(a_jpeg()), a_bad_end_while(scene))
    scene.store.fault = None
    assert len(await scene.objects()) == 1
    await scene.cleaned(after_s=LATE_S + 1)
    assert await scene.objects() == []
    assert await scene.reserved() == 0


async def test_while_the_store_is_down_it_stays_to_be_removed(scene: Scene) -> None:
    with pytest.raises(BadInput):
        await scene.parts.submitted(sent(a_jpeg()), a_bad_end_while(scene))
    with pytest.raises(Unavailable):
        await scene.cleaned(after_s=LATE_S + 1)
    scene.store.fault = None
    await scene.cleaned(after_s=1)
    assert await scene.objects() == []


async def test_a_refusal_on_a_store_that_works_leaves_no_object_at_once(scene: Scene) -> None:
    with pytest.raises(BadInput):
        await scene.parts.submitted(sent(a_jpeg()), a_bad_end(scene))
    assert await scene.objects() == []


async def test_the_first_try_of_a_put_that_was_repeated_may_arrive_after_the_refusal(scene: Scene) -> None:
    scene.store.fault = the_first_arriving_late
    with pytest.raises(BadInput):
        await scene.parts.submitted(sent(a_jpeg()), a_bad_end(scene))
    scene.store.fault = None
    assert await scene.store.let_late_ones_arrive() == 1
    assert len(await scene.objects()) == 1
    await scene.cleaned(after_s=LATE_S + 1)
    assert await scene.objects() == []
    assert await scene.reserved() == 0


async def test_whatever_becomes_of_its_deletes_it_is_due_soon(scene: Scene) -> None:
    held = hold_deletes(scene.store)
    request = asyncio.create_task(scene.parts.submitted(sent(a_jpeg()), a_bad_end(scene)))
    await held.until(1)
    soon = scene.parts.clock.now() + timedelta(seconds=LATE_S + 1)
    assert len(await scene.parts.jobs.overdue(soon, limit=10)) == 1
    held.let_go()
    await asyncio.wait((request,))
    assert isinstance(request.exception(), BadInput)


async def test_a_request_that_is_cancelled_while_it_is_undone_is_undone_all_the_same(scene: Scene) -> None:
    held = hold_deletes(scene.store)
    request = asyncio.create_task(scene.parts.submitted(sent(a_jpeg()), a_bad_end(scene)))
    await held.until(1)
    request.cancel()
    ended, _ = await asyncio.wait((request,), timeout=SOON_S)
    assert not ended
    held.let_go()
    await asyncio.wait((request,))
    assert request.cancelled()
    assert await scene.objects() == []
    await scene.cleaned(after_s=LATE_S + 1)
    assert await scene.reserved() == 0


async def test_parts_of_an_image_that_was_refused_go_with_its_job_at_the_latest(scene: Scene) -> None:
    job = await scene.parts.submitted(a_truncated_image_while(scene))
    scene.store.fault = None
    assert job.status is Status.FAILED
    assert await scene.uploads() == [f"{job.images[0].trace_id}/original.jpg"]
    await scene.cleaned(after_s=scene.parts.settings.keep_s + 1)
    assert await scene.uploads() == []
