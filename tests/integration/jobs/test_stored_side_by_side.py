"""Images of one batch on their way into a real S3, several at once: what is seen of it there, and what is left."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from attrs import evolve

from gateway.domain.job import Status
from gateway.errors import BadInput, TooSlow, Unavailable
from gateway.intake.batch import IncomingBatch
from gateway.jobs.accepting.beginning import PIECE_BYTES
from tests.integration.jobs.batches import Member, Sent, batch_of
from tests.integration.jobs.faulty_scenes import Scene, scene_on
from tests.photos import a_jpeg, padded
from tests.servers.faulty_s3 import FaultyS3, passed_on, refused
from tests.servers.held_puts import hold_puts
from tests.servers.s3 import S3Server

AT_ONCE = 4
MB = 1024**2
PART = 5 * MB


@pytest.fixture
async def scene(rclone: S3Server, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_on(rclone, tmp_path, attempts=1) as made:
        yield made


async def pieces_of(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 64 * 1024):
        yield content[start : start + 64 * 1024]


def sent(content: bytes, name: str = "photo.jpg") -> Sent:
    return Sent(pieces_of(content), name)


def a_photo(number: int, size: int = 2000) -> bytes:
    """No two numbers give the same bytes."""
    return padded(a_jpeg(), size + number)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TestOverlap:
    @pytest.mark.parametrize("size", [2000, PIECE_BYTES, PART + MB])
    async def test_puts_of_one_batch_are_under_way_at_once_and_never_more_than_the_bound(
        self, scene: Scene, size: int
    ):
        held = hold_puts(scene.store)
        photos = [a_photo(number, size) for number in range(AT_ONCE + 3)]
        request = asyncio.create_task(scene.parts.submitted(*map(sent, photos)))
        await held.until(1 if size > PART else AT_ONCE)
        held.let_go()
        job = await request
        assert held.most <= AT_ONCE
        assert [image.original and image.original.sha256 for image in job.images] == [*map(digest, photos)]

    async def test_while_they_are_nothing_more_is_read(self, scene: Scene):
        read: list[int] = []

        async def body(number: int) -> AsyncIterator[bytes]:
            read.append(number)
            yield a_photo(number, PIECE_BYTES)
            yield b""

        held = hold_puts(scene.store)
        images = [Sent(body(number)) for number in range(AT_ONCE + 3)]
        request = asyncio.create_task(scene.parts.submitted(*images))
        await held.until(AT_ONCE)
        assert max(read) <= AT_ONCE
        held.let_go()
        await request
        assert read == list(range(AT_ONCE + 3))

    async def test_their_order_and_names_do_not_depend_on_which_ends_first(self, scene: Scene):
        photos = [a_photo(number) for number in range(AT_ONCE)]
        ended: list[str] = []

        async def the_last_first(store: FaultyS3, request: web.Request) -> web.StreamResponse:
            """A put waits until all that are larger, which came later, were stored."""
            size = len(await request.read())
            while len(ended) < len(photos) - 1 - (size - len(photos[0])):
                await asyncio.sleep(0.005)
            answer = await passed_on(store, request)
            ended.append(request.path)
            return answer

        scene.store.fault, scene.store.methods = the_last_first, ("PUT",)
        names = [f"{number}.jpg" for number in range(len(photos))]
        job = await scene.parts.submitted(*map(sent, photos, names))
        assert [image.original_filename for image in job.images] == names
        assert [image.original and image.original.sha256 for image in job.images] == [*map(digest, photos)]
        assert [image.trace_id in path for image, path in zip(job.images, ended[::-1], strict=True)] == [
            True
        ] * len(photos)

    async def test_one_that_is_bad_fails_alone_while_others_are_still_stored(self, scene: Scene):
        held = hold_puts(scene.store)
        photos = [a_photo(0, PIECE_BYTES), b"no image" * PIECE_BYTES, a_photo(2, PIECE_BYTES)]
        request = asyncio.create_task(scene.parts.submitted(*map(sent, photos)))
        await held.until(2)
        held.let_go()
        job = await request
        assert [image.status for image in job.images] == [Status.PENDING, Status.FAILED, Status.PENDING]
        assert sorted(await scene.objects()) == sorted(
            image.original.key for image in job.images if image.original
        )


async def ended_by(trouble: BaseException, size: int) -> AsyncIterator[bytes]:
    yield a_photo(9, size)[:-1]
    raise trouble


async def too_many(images: Sequence[Member]) -> IncomingBatch:
    async for member in batch_of(*images):
        yield member
    raise BadInput("A batch has at most 3 images.", code="too_many_images")


class TestNothingIsLeft:
    """Of a request that ends while four of its images are under way."""

    SIZES = pytest.mark.parametrize("size", [2000, PART + MB])

    @SIZES
    async def test_where_the_store_goes_down(self, scene: Scene, size: int):
        held = hold_puts(scene.store)
        photos = [a_photo(number, size) for number in range(AT_ONCE + 1)]
        request = asyncio.create_task(scene.parts.submitted(*map(sent, photos)))
        await held.until(AT_ONCE if size < PART else 1)
        held.let_go(then=refused(503, "SlowDown"))
        scene.store.methods = ("PUT", "POST", "GET", "DELETE")
        with pytest.raises(Unavailable) as caught:
            await request
        assert caught.value.retry_after_s > 0
        scene.store.fault = None
        await scene.nothing_is_left()

    @SIZES
    @pytest.mark.parametrize("trouble", [TooSlow("too slow"), ConnectionResetError(), BadInput("broken")])
    async def test_where_the_body_ends_badly(self, scene: Scene, size: int, trouble: Exception):
        photos = [sent(a_photo(number, size)) for number in range(AT_ONCE - 1)]
        with pytest.raises(type(trouble)):
            await scene.parts.submitted(*photos, Sent(ended_by(trouble, size)))
        await scene.nothing_is_left()

    async def test_where_it_ends_badly_while_all_others_wait_for_the_store(self, scene: Scene):
        held = hold_puts(scene.store)

        async def cut_off() -> AsyncIterator[bytes]:
            yield a_photo(9)[:-1]
            await held.until(AT_ONCE - 1)
            raise ConnectionResetError

        photos = [sent(a_photo(number)) for number in range(AT_ONCE - 1)]
        with pytest.raises(ConnectionResetError):
            await scene.parts.submitted(*photos, Sent(cut_off()))
        assert held.waiting == []
        scene.store.fault = None
        await scene.nothing_is_left()

    @SIZES
    async def test_where_its_shape_turns_out_wrong(self, scene: Scene, size: int):
        photos = [sent(a_photo(number, size)) for number in range(3)]
        with pytest.raises(BadInput, match="at most 3 images"):
            await scene.parts.submit(too_many(photos))
        await scene.nothing_is_left()

    @SIZES
    async def test_where_it_is_cancelled(self, scene: Scene, size: int):
        held = hold_puts(scene.store)
        photos = [a_photo(number, size) for number in range(AT_ONCE + 1)]
        request = asyncio.create_task(scene.parts.submitted(*map(sent, photos)))
        await held.until(AT_ONCE if size < PART else 1)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        scene.store.fault = None
        await scene.nothing_is_left()


class TestBytesInFlight:
    """What images hold on their way, all requests together."""

    @pytest.fixture
    def narrow(self, scene: Scene) -> Scene:
        """Room for one photo of a megabyte, and little patience."""
        parts = evolve(scene.parts, intake=evolve(scene.parts.intake, max_held_bytes=MB))
        parts.in_flight.patience_s = 0.1
        return Scene(parts, scene.store, scene.bucket)

    async def test_a_large_image_waits_for_those_before_it(self, narrow: Scene):
        held = hold_puts(narrow.store)
        narrow.parts.in_flight.patience_s = 30
        photos = [a_photo(number, MB) for number in range(3)]
        requests = [asyncio.create_task(narrow.parts.submitted(sent(photo))) for photo in photos]
        await held.until(1)
        assert narrow.parts.in_flight.is_full
        held.let_go()
        await asyncio.gather(*requests)
        assert held.most == 1
        assert narrow.parts.in_flight.held_bytes == 0

    async def test_who_waits_in_vain_is_told_to_come_again_and_leaves_nothing(self, narrow: Scene):
        held = hold_puts(narrow.store)
        first = asyncio.create_task(narrow.parts.submitted(sent(a_photo(0, MB))))
        await held.until(1)
        with pytest.raises(Unavailable) as caught:
            await narrow.parts.submitted(sent(a_photo(1, MB)))
        assert caught.value.code == "busy"
        held.let_go()
        (image,) = (await first).images
        assert await narrow.objects() == [image.original and image.original.key]
        assert narrow.parts.in_flight.held_bytes == 0

    async def test_a_small_one_passes_beside_a_large_one_where_both_have_room(self, scene: Scene):
        parts = evolve(scene.parts, intake=evolve(scene.parts.intake, max_held_bytes=MB + 10_000))
        held = hold_puts(scene.store)
        large = asyncio.create_task(parts.submitted(sent(a_photo(0, MB))))
        await held.until(1)
        small = asyncio.create_task(parts.submitted(sent(a_photo(1))))
        await held.until(2)
        assert parts.in_flight.held_bytes == MB + len(a_photo(1))
        held.let_go()
        await asyncio.gather(large, small)

    @pytest.mark.parametrize("content", [a_photo(0, MB)[:-10], b"no image" * PIECE_BYTES])
    async def test_bad_content_gives_back_what_it_held(self, narrow: Scene, content: bytes):
        job = await narrow.parts.submitted(sent(content), sent(a_photo(1, MB)))
        assert [image.status for image in job.images] == [Status.FAILED, Status.PENDING]
        assert narrow.parts.in_flight.held_bytes == 0

    async def test_bad_content_that_is_only_read_on_to_know_its_repeat_holds_nothing(self, narrow: Scene):
        held = list[int]()

        async def bad() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"no image" * PIECE_BYTES
                held.append(narrow.parts.in_flight.held_bytes)

        await narrow.parts.accepted(Sent(bad()), key="k")
        assert held[1:] == [0, 0]

    async def test_a_repeat_holds_nothing(self, narrow: Scene):
        first = await narrow.parts.accepted(sent(a_photo(0, MB)), key="k")
        await narrow.parts.in_flight.share(MB).grow(MB)
        again = await narrow.parts.accepted(sent(a_photo(0, MB)), key="k")
        assert again.is_repeat
        assert again.receipt == first.receipt
