"""A gateway as it is run, on an object store that is slower than its clients: they wait, and memory does not grow."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

from tests.benchmarks.memory import Peak
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, padded
from tests.servers.faulty_s3 import FaultyS3, faulty_s3
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.held_puts import hold_puts
from tests.servers.raw_http import Line, connection, head
from tests.servers.s3 import S3Server, keys_in

MB = 1024**2
AT_ONCE = 4
SILENCE_S = 4.0
"""So long a sender may pause that is to be held up for longer."""
PHOTO = padded(a_jpeg(), 4 * MB)
LARGE = padded(a_jpeg(), 16 * MB)
AROUND_MB = 12
"""What a request takes beside its images: less than one that is large."""
JPEG = ("Content-Type", "image/jpeg")
BOUNDARY = "border"


@define(eq=False)
class Scene:
    """A gateway on an S3 that a test makes slow."""

    gateway: Gateway
    store: FaultyS3
    bucket: str

    async def keys(self) -> list[str]:
        return await keys_in(self.store.behind, self.bucket)

    async def has(self, count: int) -> None:
        """Wait until so many objects lie there."""
        async with asyncio.timeout(PATIENCE_S):
            while len(await self.keys()) != count:
                await asyncio.sleep(0.05)

    async def is_empty(self) -> None:
        """Wait until nothing lies there."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.keys():
                await asyncio.sleep(0.05)


@asynccontextmanager
async def scene_in(folder: Path, server: S3Server, **settings: Any) -> AsyncIterator[Scene]:
    options = server.options()
    async with faulty_s3(server) as store:
        of_store = {"kind": "s3", **options, "endpoint": store.endpoint}
        async with running_gateway(
            folder / "data",
            **{f"object_store_{key}": value for key, value in of_store.items()},
            intake_images_at_once=AT_ONCE,
            **settings,
        ) as gateway:
            yield Scene(gateway, store, options["original_bucket"])


@pytest.fixture
async def scene(rclone: S3Server, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_in(tmp_path, rclone) as made:
        yield made


@frozen
class Form:
    """A multipart body of the photo, so many times."""

    photos: int
    photo: bytes = PHOTO

    @property
    def headers(self) -> tuple[tuple[str, object], ...]:
        length = sum(map(len, self.pieces()))
        return ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"), ("Content-Length", length)

    def pieces(self) -> Iterable[bytes]:
        for number in range(self.photos):
            disposition = f'Content-Disposition: form-data; name="image"; filename="{number}.jpg"'
            yield f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode()
            yield from (self.photo[start : start + 65536] for start in range(0, len(self.photo), 65536))
            yield b"\r\n"
        yield f"--{BOUNDARY}--\r\n".encode()


@define(eq=False)
class Sender:
    """Sends as fast as it may; `sent` bytes have left it."""

    line: Line
    form: Form
    sent: int = field(init=False, default=0)

    async def send(self) -> None:
        await self.line.send(head("POST", "/api/v1/batch", *self.form.headers))
        for piece in self.form.pieces():
            await self.line.send(piece)
            self.sent += len(piece)

    async def is_held_up(self) -> None:
        """It can send nothing for longer than a sender may be silent, and nobody cuts it for that."""
        while True:
            before = self.sent
            try:
                async with asyncio.timeout(2 * SILENCE_S):
                    assert await self.line.reader.read(1) is None, "it was answered"
            except TimeoutError:
                if self.sent == before:
                    return


async def test_a_slow_store_slows_the_sender_and_no_image_is_read_before_there_is_a_put_for_it(
    rclone: S3Server, tmp_path: Path
):
    most_mb = AT_ONCE * len(LARGE) / MB + AROUND_MB
    settings = {
        "intake_silence_s": SILENCE_S,
        "intake_max_image_bytes": len(LARGE),
        "object_store_part_bytes": len(LARGE) + MB,
    }
    async with scene_in(tmp_path, rclone, **settings) as scene:
        held, form = hold_puts(scene.store), Form(2 * AT_ONCE, LARGE)
        peak = Peak.since_now(scene.gateway.process.pid)
        async with connection(scene.gateway.port) as line:
            sender = Sender(line, form)
            sending = asyncio.create_task(sender.send())
            await held.until(AT_ONCE)
            await sender.is_held_up()
            assert held.most == AT_ONCE
            assert peak.growth_mb < most_mb
            held.let_go()
            await sending
            assert (await line.answer()).status == 201
        assert peak.growth_mb < most_mb
        assert len(await scene.keys()) == form.photos


async def test_once_memory_is_full_new_requests_are_503_before_their_body_and_those_inside_go_on(
    rclone: S3Server, tmp_path: Path
):
    async with scene_in(tmp_path, rclone, intake_max_held_bytes=len(PHOTO)) as scene:
        held = hold_puts(scene.store)
        port = scene.gateway.port
        async with connection(port) as first, connection(port) as second:
            await first.send(head("POST", "/api/v1/batch", JPEG, ("Content-Length", len(PHOTO))), PHOTO)
            await held.until(1)
            expecting = JPEG, ("Content-Length", len(PHOTO)), ("Expect", "100-continue")
            await second.send(head("POST", "/api/v1/batch", *expecting))
            refusal = await second.answer()
            assert (refusal.status, refusal.headers["retry-after"]) == (503, "2")
            held.let_go()
            assert (await first.answer()).status == 201
        async with connection(port) as third:
            await third.send(head("POST", "/api/v1/batch", JPEG, ("Content-Length", len(PHOTO))), PHOTO)
            assert (await third.answer()).status == 201


async def test_a_gateway_that_is_killed_while_images_of_one_batch_are_stored_leaves_nothing(scene: Scene):
    held = hold_puts(scene.store, after=2)
    async with connection(scene.gateway.port) as line:
        sending = asyncio.create_task(Sender(line, Form(12)).send())
        await held.until(AT_ONCE)
        assert len(await scene.keys()) == 2
        await scene.gateway.kill()
        with pytest.raises(ConnectionError):
            await sending
    held.let_go()
    scene.store.fault = None
    await scene.gateway.start()
    await scene.is_empty()


async def test_a_client_that_leaves_while_images_are_stored_leaves_nothing(scene: Scene):
    held = hold_puts(scene.store, after=2)
    async with connection(scene.gateway.port) as line:
        sending = asyncio.create_task(Sender(line, Form(12)).send())
        await held.until(AT_ONCE)
        sending.cancel()
        line.writer.transport.abort()
    held.let_go()
    scene.store.fault = None
    await scene.is_empty()


async def test_a_store_that_goes_down_in_mid_batch_is_503_and_nothing_is_left(
    rclone: S3Server, tmp_path: Path
):
    async with scene_in(tmp_path, rclone, object_store_timeout_s=2, jobs_clean_every_s=0.2) as scene:
        held = hold_puts(scene.store, after=2)
        async with connection(scene.gateway.port) as line:
            sending = asyncio.create_task(Sender(line, Form(12)).send())
            await held.until(AT_ONCE)
            await scene.store.close_door()
            answer = await line.answer()
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
            sending.cancel()
        scene.store.fault = None
        await scene.store.open_door()
        await scene.is_empty()
