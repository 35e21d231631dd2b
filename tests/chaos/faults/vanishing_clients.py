"""Clients that vanish: in mid-body, right after the last byte and while the answer comes; by a reset, by silence and by
closing their half. Meanwhile others send their batches, and each of theirs is taken.

Of a request that was broken off nothing may stay. One that came whole may have become a job, or not; a job that there
is must end as any other, and of which a client saw the first bytes of its 201, there must be one. Half of them come
back with all of their request and the same idempotency key: then it is accepted, and has become one job.
"""

import asyncio
import itertools
import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

from tests.chaos.aftermath import until_nothing_happens
from tests.chaos.battle import Battle
from tests.chaos.bodies import a_jpeg_named, enlarged, in_base64, multipart, some_images
from tests.chaos.exchange import exchanged, head_of
from tests.chaos.fault import Fault, thrown_from
from tests.chaos.load import GOOD_WAYS, UNDER_WAY
from tests.chaos.records import Accepted, Sent
from tests.chaos.report import Measured
from tests.chaos.reservations import with_reservations
from tests.chaos.world import EmbeddedWorld, Job, embedded_world
from tests.servers.gateway import HOST

AT_ONCE = 8
SILENCE_S = 3
"""How long the gateway waits for the next byte of a body."""
PATIENCE_S = 60
LARGE_BYTES = 400_000
CHUNK_BYTES = 1_000
CREATED = b"HTTP/1.1 201"
COMING_BACK = 0.5
PAUSE_S = 0.2


# --- what they send


@frozen
class Request:
    """Of a batch, with an idempotency key."""

    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        return self.head + self.body


def a_request(images: Sequence[Sent], content_type: str, body: bytes, query: str = "") -> Request:
    head = head_of(content_type, len(body), query, {"Idempotency-Key": f'"{images[0].name}"'})
    return Request(head, body)


def as_multipart(images: Sequence[Sent]) -> Request:
    return a_request(images, *multipart(images))


def as_base64(images: Sequence[Sent]) -> Request:
    return a_request(images, *in_base64(images))


def as_raw(images: Sequence[Sent]) -> Request:
    """The first image alone."""
    return a_request(images, "image/jpeg", images[0].content, f"?name={images[0].name}")


def chunked(request: Request) -> Request:
    """The same without a length that tells where it ends."""
    length = f"Content-Length: {len(request.body)}".encode()
    pieces = [request.body[start : start + CHUNK_BYTES] for start in range(0, len(request.body), CHUNK_BYTES)]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    head = request.head.replace(length, b"Transfer-Encoding: chunked")
    return Request(head, b"".join([*chunks, b"0\r\n\r\n"]))


def as_chunked_multipart(images: Sequence[Sent]) -> Request:
    return chunked(as_multipart(images))


def as_chunked_raw(images: Sequence[Sent]) -> Request:
    return chunked(as_raw(images))


Form = Callable[[Sequence[Sent]], Request]
FORMS: Sequence[Form] = (as_multipart, as_base64, as_raw, as_chunked_multipart, as_chunked_raw)
OF_ONE_IMAGE = (as_raw, as_chunked_raw)


# --- how they leave


@define(eq=False)
class Line:
    """A connection to the gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def reset(self) -> None:
        """Gone at once, with whatever lies unread."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def fall_silent(self) -> None:
        """Neither sends nor reads, longer than the gateway waits."""
        await asyncio.sleep(2 * SILENCE_S)

    async def close_half(self) -> None:
        """Says that nothing more comes, and still reads."""
        self.writer.write_eof()

    async def all_that_comes(self) -> bytes:
        """Up to the end of the connection."""
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                return await self.reader.read()
        return b""


Leaving = Callable[[Line], Awaitable[None]]
WAYS: Sequence[Leaving] = (Line.reset, Line.fall_silent, Line.close_half)
MOMENTS = ("in the body", "after the last byte", "in the answer")


@frozen
class Plan:
    """How one client goes."""

    form: Form
    moment: str
    way: Leaving


def plans(dice: random.Random) -> Iterator[Plan]:
    """Each kind as often as any other."""
    kinds = [Plan(*kind) for kind in itertools.product(FORMS, MOMENTS, WAYS)]
    while True:
        dice.shuffle(kinds)
        yield from kinds


# --- the clients


@define(eq=False)
class Vanishing:
    battle: Battle
    world: EmbeddedWorld
    dice: random.Random
    unknown: list[Sequence[Sent]] = field(factory=list)
    """Images of requests that came whole, and of which nobody knows what became of them."""
    answers: Counter[str] = field(factory=Counter)
    """What those who still read were told, by when they went."""

    async def all(self, plans: Iterable[Plan]) -> None:
        """A few at once."""
        waiting = enumerate(plans)

        async def some() -> None:
            for number, plan in waiting:
                await self.one(number, plan)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(some())

    async def one(self, number: int, plan: Plan) -> None:
        images = self._images(f"v{number}", plan)
        request = plan.form(images)
        line = Line(*await asyncio.open_connection(HOST, self.world.gateway.port))
        try:
            if plan.moment == "in the body":
                await self._in_the_body(line, request, images, plan.way)
            elif plan.moment == "after the last byte":
                await self._after_the_last_byte(line, request, images, plan.way)
            else:
                await self._in_the_answer(line, request, images, plan.way)
        finally:
            line.writer.transport.abort()
        if self.dice.random() < COMING_BACK:
            await self._come_back(images, request)

    async def accept_what_became_jobs(self) -> None:
        """Once all is over: of requests of which nobody knew."""
        await until_nothing_happens(self.world)
        jobs = await self.world.jobs()
        for images in self.unknown:
            job = _job_of(images, jobs)
            self.answers[f"{'a' if job else 'no'} job of a whole request without an answer"] += 1
            if job is not None:
                self._accept(job["job_id"], images)

    async def _in_the_body(self, line: Line, request: Request, images: Sequence[Sent], way: Leaving) -> None:
        self.battle.records.refuse(images)
        await _send(line, request.head + request.body[: self.dice.randrange(len(request.body))])
        await way(line)
        if way is not Line.reset:
            answer = await line.all_that_comes()
            self._note("in the body", answer, (b"", b"HTTP/1.1 400", b"HTTP/1.1 408"), images)

    async def _after_the_last_byte(
        self, line: Line, request: Request, images: Sequence[Sent], way: Leaving
    ) -> None:
        self.battle.records.leave_unanswered(images)
        self.unknown.append(images)
        await _send(line, request.whole)
        await way(line)
        if way is Line.close_half:
            self._note("after the last byte", await line.all_that_comes(), (b"", CREATED), images)

    async def _in_the_answer(
        self, line: Line, request: Request, images: Sequence[Sent], way: Leaving
    ) -> None:
        await _send(line, request.whole)
        async with asyncio.timeout(PATIENCE_S):
            begun = await line.reader.readexactly(len(CREATED))
        await way(line)
        self._note("in the answer", begun, (CREATED,), images)
        job = _job_of(images, await self.world.jobs())
        if job is None:
            self.battle.records.wrong.append(f"201 for {_names(images)}, and there is no such job")
        else:
            self._accept(job["job_id"], images)

    async def _come_back(self, images: Sequence[Sent], request: Request) -> None:
        """Until it is answered: the first request may still be under way, for the gateway."""
        port = self.world.gateway.port
        async with asyncio.timeout(PATIENCE_S):
            while (
                answer := await exchanged(port, request.head, request.body)
            ) and answer.status == UNDER_WAY:
                await asyncio.sleep(PAUSE_S)
        self._note("on coming back", b"HTTP/1.1 %d" % answer.status if answer else b"", (CREATED,), images)
        if answer is not None and answer.status == 201:
            self._accept(answer.job_id, images)

    def _accept(self, job_id: str, images: Sequence[Sent]) -> None:
        """Once, however often a client was told; two jobs of the same images are found at the end."""
        if job_id not in self.battle.followers.frames:
            self.battle.records.accept(Accepted(job_id, images))

    def _note(self, moment: str, answer: bytes, expected: Sequence[bytes], images: Sequence[Sent]) -> None:
        begun = answer[: len(CREATED)]
        self.answers[f"{begun.decode() or 'no answer'} {moment}"] += 1
        if begun not in expected:
            self.battle.records.wrong.append(f"{answer!r} for {_names(images)}")

    def _images(self, name: str, plan: Plan) -> Sequence[Sent]:
        images = [a_jpeg_named(name)] if plan.form in OF_ONE_IMAGE else some_images(self.dice, name)
        return [self._perhaps_enlarged(image) for image in images]

    def _perhaps_enlarged(self, image: Sent) -> Sent:
        """Some come in many pieces."""
        is_jpeg = image.name.endswith(".jpg")
        return enlarged(image, LARGE_BYTES) if is_jpeg and self.dice.random() < 0.5 else image


async def _send(line: Line, sent: bytes) -> None:
    line.writer.write(sent)
    await line.writer.drain()


def _job_of(images: Sequence[Sent], jobs: dict[str, Job]) -> Job | None:
    names = [image.name for image in images]
    return next(
        (job for job in jobs.values() if [image["original_filename"] for image in job["images"]] == names),
        None,
    )


def _names(images: Sequence[Sent]) -> str:
    return ", ".join(image.name for image in images)


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    async with embedded_world(folder, intake_silence_s=SILENCE_S) as world:
        battle = Battle(world, dice)
        async with battle.load(ways=GOOD_WAYS):
            vanishing = Vanishing(battle, world, thrown_from(dice))
            await vanishing.all(itertools.islice(plans(thrown_from(dice)), times))
        await vanishing.accept_what_became_jobs()
        print(dict(vanishing.answers), file=sys.stderr, flush=True)
        return await with_reservations(world, await battle.measured(times))


FAULT = Fault("vanishing_clients", full=200, in_ci=20, run=run)
