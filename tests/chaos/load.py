"""Foreign clients that send one batch after the other, each in a way that its dice choose, and write down what became
of it.

    async with under_load(gateway.port, site, records, dice, ways=GOOD_WAYS):
        ...
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from attrs import define

from tests.chaos.bodies import by_url, in_base64, multipart, some_images
from tests.chaos.exchange import Answer, exchanged, head_of
from tests.chaos.fault import thrown_from
from tests.chaos.records import BROKEN, Accepted, Records, Sent
from tests.servers.web import Site

CLIENTS = 6
LONGEST_PAUSE_S = 0.3
KEYED = 0.5
"""The share of good requests that have an Idempotency-Key: those are repeated until they are answered."""
REPEATED = 0.1
"""The share of those that are repeated although they were answered."""
REPEATS_FOR_S = 60.0
REPEAT_PAUSE_S = 0.2
NO_ROOM = frozenset({503, 507})
"""What a good request may be told when it can't be made durable now."""
UNDER_WAY = 409
"""What a repeat is told while the gateway still works on the request that it repeats."""


@define(eq=False)
class Client:
    """`number` makes the names of its images its own."""

    number: str
    dice: random.Random
    port: int
    site: Site
    records: Records
    with_pngs: bool = True
    turned_away_by: Collection[int] = frozenset()
    """With what a good request may be refused: it left nothing, and 503 says when to come again."""

    async def run(
        self, ways: Sequence["Way"], is_enough: asyncio.Event, may_send: Callable[[], bool]
    ) -> None:
        for count in itertools.count():
            while not may_send() and not is_enough.is_set():
                await asyncio.sleep(0.02)
            if is_enough.is_set():
                return
            images = some_images(self.dice, f"c{self.number}-r{count}", with_pngs=self.with_pngs)
            await self.dice.choice(ways)(self, images)
            await asyncio.sleep(self.dice.uniform(0, LONGEST_PAUSE_S))

    async def good_multipart(self, images: list[Sent]) -> None:
        await self._send(images, *multipart(images))

    async def good_base64(self, images: list[Sent]) -> None:
        await self._send(images, *in_base64(images))

    async def good_urls(self, images: list[Sent]) -> None:
        await self._send(images, *by_url(images, self.site))

    async def slow_multipart(self, images: list[Sent]) -> None:
        await self._send(images, *multipart(images), takes_s=self.dice.uniform(0.1, 1.5))

    async def slow_base64(self, images: list[Sent]) -> None:
        await self._send(images, *in_base64(images), takes_s=self.dice.uniform(0.1, 1.5))

    async def with_a_broken_image(self, images: list[Sent]) -> None:
        images.insert(self.dice.randrange(len(images) + 1), Sent(f"{images[0].name}-broken.jpg", BROKEN))
        await self._send(images, *multipart(images))

    async def broken_and_strict(self, images: list[Sent]) -> None:
        images.append(Sent(f"{images[0].name}-broken.jpg", BROKEN))
        await self._send_bad(images, *multipart(images), query="?strict=true")

    async def bad_end_of_multipart(self, images: list[Sent]) -> None:
        content_type, body = multipart(images)
        await self._send_bad(images, content_type, body.removesuffix(b"--b--\r\n") + b"--b\r\n")

    async def bad_end_of_json(self, images: list[Sent]) -> None:
        content_type, body = in_base64(images)
        await self._send_bad(images, content_type, body[:-1] + b', "no_such_field": 1}')

    async def cut_off(self, images: list[Sent]) -> None:
        """Leaves in mid-body, after a while."""
        content_type, body = self.dice.choice((multipart, in_base64))(images)
        self.records.refuse(images)
        part = body[: self.dice.randrange(len(body) - 10)]
        with self.records.sending():
            await exchanged(
                self.port,
                head_of(content_type, len(body)),
                part,
                takes_s=self.dice.uniform(0, 0.5),
                leaves=True,
            )

    async def _send(
        self, images: Sequence[Sent], content_type: str, body: bytes, *, takes_s: float = 0
    ) -> None:
        """To its answer, where it may be repeated; else once."""
        is_keyed, is_repeated = self.dice.random() < KEYED, self.dice.random() < REPEATED
        key = {"Idempotency-Key": f'"{images[0].name}"'} if is_keyed else {}
        head = head_of(content_type, len(body), headers=key)
        with self.records.sending():
            answer = await exchanged(self.port, head, body, takes_s=takes_s)
            if is_keyed and answer is None:
                answer = await self._answered_again(head, body)
        self._note(images, answer)
        if is_keyed and is_repeated and answer is not None and answer.status == 201:
            await self._repeat(images, head, body, answer.job_id)

    async def _answered_again(self, head: bytes, body: bytes) -> Answer | None:
        """The answer to a request whose first answer never came. None when there is none for too long: a refusal
        says nothing of the first time, for it may have been made before the gateway could look.
        """
        clock = asyncio.get_running_loop()
        give_up_at = clock.time() + REPEATS_FOR_S
        while clock.time() < give_up_at:
            answer = await exchanged(self.port, head, body)
            if answer is not None and answer.status not in {UNDER_WAY, *self.turned_away_by}:
                return answer
            await asyncio.sleep(REPEAT_PAUSE_S)
        return None

    async def _repeat(self, images: Sequence[Sent], head: bytes, body: bytes, job_id: str) -> None:
        """Of what was answered; it must be answered the same."""
        again = await self._answered_again(head, body)
        if again is None or again.status != 201 or again.job_id != job_id:
            self.records.wrong.append(f"{_names(images)} became {job_id}, and repeated {again}")

    async def _send_bad(
        self, images: Sequence[Sent], content_type: str, body: bytes, *, query: str = ""
    ) -> None:
        """What no gateway takes."""
        self.records.refuse(images)
        with self.records.sending():
            answer = await exchanged(self.port, head_of(content_type, len(body), query), body)
        if answer is not None and answer.status not in {400, 422, *self.turned_away_by}:
            self.records.wrong.append(f"{answer.status} for the bad request of {_names(images)}")

    def _note(self, images: Sequence[Sent], answer: Answer | None) -> None:
        if answer is None:
            self.records.leave_unanswered(images)
        elif answer.status == 201:
            self.records.accept(Accepted(answer.job_id, images))
        else:
            self.records.refuse(images)
            if answer.status not in self.turned_away_by:
                self.records.wrong.append(f"{answer.status} for {_names(images)}: {answer.body!r}")
            elif answer.status == 503 and "retry-after" not in answer.headers:
                self.records.wrong.append(f"503 without Retry-After for {_names(images)}")


Way = Callable[[Client, list[Sent]], Awaitable[None]]
GOOD_WAYS: Sequence[Way] = (Client.good_multipart, Client.good_base64, Client.good_urls)
SLOW_WAYS: Sequence[Way] = (Client.slow_multipart, Client.slow_base64)
BAD_WAYS: Sequence[Way] = (
    Client.with_a_broken_image,
    Client.broken_and_strict,
    Client.bad_end_of_multipart,
    Client.bad_end_of_json,
    Client.cut_off,
)
WAYS = (*GOOD_WAYS, *GOOD_WAYS, *SLOW_WAYS, *BAD_WAYS)


def _names(images: Sequence[Sent]) -> str:
    return ", ".join(each.name for each in images)


@asynccontextmanager
async def under_load(
    port: int,
    site: Site,
    records: Records,
    dice: random.Random,
    *,
    clients: int = CLIENTS,
    ways: Sequence[Way] = WAYS,
    may_send: Callable[[], bool] = lambda: True,
    with_pngs: bool = True,
    turned_away_by: Collection[int] = frozenset(),
    prefix: str = "",
) -> AsyncIterator[None]:
    """Clients at work; at its end each has sent its last batch and got its answer.

    They pause while `may_send` says no. `prefix` tells the images of one load from those of another in one world.
    """
    is_enough = asyncio.Event()
    async with asyncio.TaskGroup() as working:
        for number in range(clients):
            client = Client(
                f"{prefix}{number}", thrown_from(dice), port, site, records, with_pngs, turned_away_by
            )
            working.create_task(client.run(ways, is_enough, may_send), name=f"client {number}")
        try:
            yield
        finally:
            is_enough.set()
