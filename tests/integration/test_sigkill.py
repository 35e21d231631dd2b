"""Five SIGKILLs at random instants under load: what was accepted ends, what was not leaves nothing behind.

Foreign clients send batches in every way, half of them slow, broken or to be refused. They keep their own list of
201s, and know of every other request what became of it; that list is the truth that the gateway is held to.
"""

import asyncio
import base64
import hashlib
import itertools
import os
import random
import struct
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from attrs import define, field, frozen

from tests.following import Frame
from tests.photos import a_jpeg, a_png
from tests.pictures import picture_data
from tests.servers.gateway import HOST, Gateway, running_gateway
from tests.servers.web import Request, Site, image, web_server

pytestmark = pytest.mark.timeout(180)

KILLS = 5
CLIENTS = 6
PATIENCE_S = 60
CALM_S = 2
"""After the last kill: what is refused then, no start cleans up."""
QUIET_S = 5
DOWNLOADS_AT_ONCE = 8
BROKEN = b"this is no image"


@frozen
class Sent:
    """One image as its client knows it; no two are alike."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_good(self) -> bool:
        return self.content != BROKEN


@frozen
class Accepted:
    """A 201."""

    job_id: str
    images: Sequence[Sent]


@define
class Records:
    """What the clients know: the 201s, what was refused or broken off, and what nobody can know."""

    accepted: list[Accepted] = field(factory=list)
    refused: set[str] = field(factory=set)
    """Names of images of requests that were answered with an error, or never sent to their end."""
    unanswered: set[str] = field(factory=set)
    """Names of images of good requests that a kill broke off: accepted or not, nobody was told."""
    on_accepted: Callable[[Accepted], None] = lambda _: None

    def accept(self, accepted: Accepted) -> None:
        self.accepted.append(accepted)
        self.on_accepted(accepted)


# --- images


def a_good_image(rng: random.Random, name: str) -> Sent:
    """A JPEG or a PNG that carries its name, so that its bytes are like no other's."""
    if rng.random() < 0.5:
        comment = b"\xff\xfe" + struct.pack(">H", len(name) + 2) + name.encode()
        return Sent(f"{name}.jpg", a_jpeg()[:2] + comment + a_jpeg()[2:])
    text = b"tEXtComment\0" + name.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return Sent(f"{name}.png", a_png()[:33] + chunk + a_png()[33:])


def some_images(rng: random.Random, name: str) -> list[Sent]:
    return [a_good_image(rng, f"{name}-{number}") for number in range(rng.randint(1, 4))]


# --- bodies


def multipart(images: Sequence[Sent]) -> tuple[str, bytes]:
    """Content type and body."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="i"; filename="{each.name}"\r\n\r\n'.encode()
        + each.content
        for each in images
    ]
    return "multipart/form-data; boundary=b", b"\r\n".join([*parts, b"--b--\r\n"])


def in_base64(images: Sequence[Sent]) -> tuple[str, bytes]:
    members = (
        f'{{"base64": "{base64.b64encode(each.content).decode()}", "name": "{each.name}"}}' for each in images
    )
    return "application/json", f'{{"images": [{", ".join(members)}]}}'.encode()


def by_url(images: Sequence[Sent], site: Site) -> tuple[str, bytes]:
    for each in images:
        site.pages[f"/{each.name}"] = _slowly(each)
    members = (f'{{"url": "{site.url(f"/{each.name}")}"}}' for each in images)
    return "application/json", f'{{"images": [{", ".join(members)}]}}'.encode()


def _slowly(sent: Sent) -> Any:
    pause_s = zlib.crc32(sent.name.encode()) % 300 / 1000

    async def page(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(pause_s)
        await image(sent.content)(request, writer)

    return page


# --- clients


@define
class Client:
    """Sends one batch after the other, each in a way that its dice choose."""

    number: int
    rng: random.Random
    gateway: Gateway
    site: Site
    records: Records

    async def run(self, enough: asyncio.Event) -> None:
        for count in itertools.count():
            if enough.is_set():
                return
            images = some_images(self.rng, f"c{self.number}-r{count}")
            await self.rng.choice(WAYS)(self, images)
            await asyncio.sleep(self.rng.uniform(0, 0.3))

    async def good_multipart(self, images: list[Sent]) -> None:
        await self._send(images, *multipart(images))

    async def good_base64(self, images: list[Sent]) -> None:
        await self._send(images, *in_base64(images))

    async def good_urls(self, images: list[Sent]) -> None:
        await self._send(images, *by_url(images, self.site))

    async def slow_multipart(self, images: list[Sent]) -> None:
        await self._send(images, *multipart(images), takes_s=self.rng.uniform(0.1, 1.5))

    async def slow_base64(self, images: list[Sent]) -> None:
        await self._send(images, *in_base64(images), takes_s=self.rng.uniform(0.1, 1.5))

    async def with_a_broken_image(self, images: list[Sent]) -> None:
        images.insert(self.rng.randrange(len(images) + 1), Sent(f"{images[0].name}-broken.jpg", BROKEN))
        await self._send(images, *multipart(images))

    async def broken_and_strict(self, images: list[Sent]) -> None:
        images.append(Sent(f"{images[0].name}-broken.jpg", BROKEN))
        await self._send(images, *multipart(images), query="?strict=true", refused=True)

    async def bad_end_of_multipart(self, images: list[Sent]) -> None:
        content_type, body = multipart(images)
        await self._send(images, content_type, body.removesuffix(b"--b--\r\n") + b"--b\r\n", refused=True)

    async def bad_end_of_json(self, images: list[Sent]) -> None:
        content_type, body = in_base64(images)
        await self._send(images, content_type, body[:-1] + b', "no_such_field": 1}', refused=True)

    async def cut_off(self, images: list[Sent]) -> None:
        """Leaves in mid-body, after a while."""
        content_type, body = self.rng.choice((multipart, in_base64))(images)
        self.records.refused |= {each.name for each in images}
        part = body[: self.rng.randrange(len(body) - 10)]
        await self._exchange(_head(content_type, len(body)), part, self.rng.uniform(0, 0.5), leaves=True)

    async def _send(
        self,
        images: Sequence[Sent],
        content_type: str,
        body: bytes,
        *,
        query: str = "",
        takes_s: float = 0,
        refused: bool = False,
    ) -> None:
        """POST it raw, so that nothing of ours repairs or repeats it, and write down what became of it."""
        names = {each.name for each in images}
        if refused:
            self.records.refused |= names
        answer = await self._exchange(_head(content_type, len(body), query), body, takes_s)
        if answer is None:
            self.records.unanswered |= names - self.records.refused
            return
        status, location = answer
        assert (status == 201) is not refused, f"{status} for {names}"
        if not refused:
            self.records.accept(Accepted(location.rpartition("/")[2], images))

    async def _exchange(
        self, head: bytes, body: bytes, takes_s: float, *, leaves: bool = False
    ) -> tuple[int, str] | None:
        """Status and Location; None without an answer, or when the client leaves before there can be one."""
        reader, writer = await self._connected()
        try:
            writer.write(head)
            await self._trickle(writer, body, takes_s)
            if leaves:
                return None
            async with asyncio.timeout(PATIENCE_S):
                return _status_and_location(await reader.read())
        except ConnectionError:
            return None
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _trickle(self, writer: asyncio.StreamWriter, body: bytes, takes_s: float) -> None:
        pieces = 10 if takes_s else 1
        size = len(body) // pieces + 1
        for start in range(0, len(body), size):
            await asyncio.sleep(takes_s / pieces)
            writer.write(body[start : start + size])
            await writer.drain()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Comes back until somebody listens."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(ConnectionError):
                    return await asyncio.open_connection(HOST, self.gateway.port)
                await asyncio.sleep(0.02)


def _head(content_type: str, length: int, query: str = "") -> bytes:
    return (
        f"POST /api/v1/batch{query} HTTP/1.1\r\nHost: gateway\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()


def _status_and_location(answer: bytes) -> tuple[int, str] | None:
    """None for an answer that was cut before its end."""
    head, separator, _ = answer.partition(b"\r\n\r\n")
    if not separator:
        return None
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in fields)
    return int(status.split()[1]), headers.get("location", "")


GOOD_WAYS = (Client.good_multipart, Client.good_base64, Client.good_urls)
BAD_WAYS = (
    Client.slow_multipart,
    Client.slow_base64,
    Client.with_a_broken_image,
    Client.broken_and_strict,
    Client.bad_end_of_multipart,
    Client.bad_end_of_json,
    Client.cut_off,
)
WAYS = (*GOOD_WAYS, *GOOD_WAYS, *BAD_WAYS)


# --- subscribers


async def follow_across_kills(
    http: aiohttp.ClientSession, gateway: Gateway, job_id: str, frames: list[Frame]
) -> None:
    """Gather frames up to the job's end, by as many connections as it takes, each from the last `id` on."""
    url, after = gateway.url(f"/api/v1/batch/{job_id}/ws"), "0"
    while not frames or frames[-1]["type"] != "job_complete":
        with suppress(aiohttp.ClientConnectionError):
            async with http.ws_connect(url, params={"after": after}) as socket:
                async for message in socket:
                    frames.append(message.json())
                    after = frames[-1]["id"]
        await asyncio.sleep(0.05)


# --- the battle, and what is left of it


@frozen
class Aftermath:
    """What clients and subscribers know, and what the gateway says when all is over."""

    seed: int
    """First, so that a failed test shows it; SIGKILL_SEED=<seed> throws the same dice again."""
    records: Records
    frames: Mapping[str, list[Frame]]
    jobs: Mapping[str, Mapping[str, Any]]
    """All that the gateway lists, by job_id."""
    originals: Mapping[tuple[str, int], bytes]
    processed: Mapping[tuple[str, int], bytes]
    objects: Mapping[str, set[str]]
    starts: int

    def each_accepted(self) -> Iterator[tuple[Accepted, Mapping[str, Any]]]:
        for accepted in self.records.accepted:
            yield accepted, self.jobs[accepted.job_id]

    def each_good(self) -> Iterator[tuple[Sent, tuple[str, int]]]:
        """The good images of accepted jobs, and where each is found."""
        for accepted in self.records.accepted:
            for index, sent in enumerate(accepted.images):
                if sent.is_good:
                    yield sent, (accepted.job_id, index)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    seed = int(os.environ.get("SIGKILL_SEED") or random.randrange(2**32))
    async with (
        web_server() as site,
        running_gateway(
            tmp_path_factory.mktemp("gateway") / "data",
            fetch_allowed_networks=site.network,
            fetch_allowed_ports=site.port,
            fetch_tries=20,  # each kill may cost a download one
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        records, frames = await battle(random.Random(seed), gateway, site, http)
        yield await survey(seed, gateway, http, records, frames)


async def battle(
    rng: random.Random, gateway: Gateway, site: Site, http: aiohttp.ClientSession
) -> tuple[Records, dict[str, list[Frame]]]:
    records, enough = Records(), asyncio.Event()
    frames: dict[str, list[Frame]] = {}
    subscribers: list[asyncio.Task[None]] = []

    def subscribe(accepted: Accepted) -> None:
        heard = frames[accepted.job_id] = []
        following = follow_across_kills(http, gateway, accepted.job_id, heard)
        subscribers.append(asyncio.create_task(following))

    records.on_accepted = subscribe
    async with asyncio.TaskGroup() as clients:
        for number in range(CLIENTS):
            client = Client(number, random.Random(rng.random()), gateway, site, records)
            clients.create_task(client.run(enough))
        for _ in range(KILLS):
            await asyncio.sleep(rng.uniform(0.1, 2.0))
            await gateway.kill()
            await gateway.start()
        await asyncio.sleep(CALM_S)
        enough.set()
    await _until_done(subscribers)
    return records, frames


async def _until_done(subscribers: Sequence["asyncio.Task[None]"]) -> None:
    """Or until it takes too long: then the tests show what is missing."""
    await asyncio.wait(subscribers, timeout=PATIENCE_S)
    for subscriber in subscribers:
        subscriber.cancel()
    ends = await asyncio.gather(*subscribers, return_exceptions=True)
    crashes = [end for end in ends if isinstance(end, Exception)]
    assert crashes == []


async def survey(
    seed: int, gateway: Gateway, http: aiohttp.ClientSession, records: Records, frames: dict[str, list[Frame]]
) -> Aftermath:
    await _until_nothing_happens(gateway, http)
    jobs = await _all_jobs(gateway, http)
    good = [
        (accepted.job_id, index)
        for accepted in records.accepted
        for index, sent in enumerate(accepted.images)
        if sent.is_good
    ]
    return Aftermath(
        seed=seed,
        records=records,
        frames=frames,
        jobs=jobs,
        originals=await _bytes_of(gateway, http, good, "original"),
        processed=await _bytes_of(gateway, http, good, "processed"),
        objects=gateway.objects,
        starts=sum(line["event"] == "listening" for line in gateway.log()),
    )


async def _until_nothing_happens(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    """Jobs that nobody was told of end as well, and requests that were broken off are undone."""
    loop = asyncio.get_running_loop()
    changed_at, before = loop.time(), None
    while loop.time() < changed_at + QUIET_S:
        jobs = await _all_jobs(gateway, http)
        now = (jobs, gateway.objects)
        if now != before:
            changed_at, before = loop.time(), now
        if now[1] == keys_of(jobs) and all(job["progress"] == 100 for job in jobs.values()):
            return
        await asyncio.sleep(0.1)


async def _all_jobs(gateway: Gateway, http: aiohttp.ClientSession) -> dict[str, Mapping[str, Any]]:
    jobs: dict[str, Mapping[str, Any]] = {}
    query = {"images": "true"}
    while True:
        async with http.get(gateway.url("/api/v1/batch"), params=query) as answer:
            page = await answer.json()
        jobs |= {job["job_id"]: job for job in page["jobs"]}
        if "next_cursor" not in page:
            return jobs
        query["cursor"] = page["next_cursor"]


async def _bytes_of(
    gateway: Gateway, http: aiohttp.ClientSession, places: Sequence[tuple[str, int]], which: str
) -> dict[tuple[str, int], bytes]:
    slots = asyncio.Semaphore(DOWNLOADS_AT_ONCE)

    async def get(job_id: str, index: int) -> bytes:
        url = gateway.url(f"/api/v1/batch/{job_id}/images/{index}/{which}")
        async with slots, http.get(url) as answer:
            return await answer.read() if answer.status == 200 else b""

    return dict(zip(places, await asyncio.gather(*(get(*place) for place in places)), strict=True))


def keys_of(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """What the status answers of these jobs say that there is, and no more."""
    images = [image for job in jobs.values() for image in job["images"]]
    return {
        "original": {
            f"{image['trace_id']}/original.{image['original_filename'].rpartition('.')[2]}"
            for image in images
            if "sha256" in image
        },
        "processed": {image["processed_path"] for image in images if "processed_path" in image},
        ".tmp": set(),
    }


def test_the_gateway_was_killed_under_load(aftermath: Aftermath) -> None:
    assert aftermath.starts == KILLS + 1
    assert len(aftermath.records.accepted) > 5 * KILLS
    assert len(aftermath.records.refused) > 5 * KILLS


def test_every_201_has_a_job_that_ends_with_counts_that_add_up(aftermath: Aftermath) -> None:
    for accepted, job in aftermath.each_accepted():
        good = sum(sent.is_good for sent in accepted.images)
        counts = {name: job[name] for name in ("status", "total_images", "completed", "failed", "progress")}
        assert counts == {
            "status": "completed",
            "total_images": len(accepted.images),
            "completed": good,
            "failed": len(accepted.images) - good,
            "progress": 100.0,
        }


def test_the_images_of_a_job_are_those_that_were_sent(aftermath: Aftermath) -> None:
    for accepted, job in aftermath.each_accepted():
        assert [(each["original_filename"], each.get("sha256")) for each in job["images"]] == [
            (sent.name, sent.sha256 if sent.is_good else None) for sent in accepted.images
        ]


def test_a_broken_image_has_failed_with_its_reason(aftermath: Aftermath) -> None:
    failures = Counter(
        (image["original_filename"].endswith("-broken.jpg"), image["code"])
        for _, job in aftermath.each_accepted()
        for image in job["images"]
        if image["status"] == "failed"
    )
    assert set(failures) <= {(True, "not_an_image")}


def test_every_original_is_there_byte_for_byte(aftermath: Aftermath) -> None:
    for sent, place in aftermath.each_good():
        assert aftermath.originals[place] == sent.content


def test_every_processed_image_is_there_with_its_picture_untouched(aftermath: Aftermath) -> None:
    for sent, place in aftermath.each_good():
        processed = aftermath.processed[place]
        assert picture_data(processed) == picture_data(sent.content)
        assert processed != sent.content  # it carries its tags


def test_a_refused_or_broken_off_request_left_no_job(aftermath: Aftermath) -> None:
    names = {image["original_filename"] for job in aftermath.jobs.values() for image in job["images"]}
    assert names & aftermath.records.refused == set()


def test_there_is_no_job_that_nobody_sent(aftermath: Aftermath) -> None:
    told = {accepted.job_id for accepted in aftermath.records.accepted}
    for job_id, job in aftermath.jobs.items():
        names = {image["original_filename"] for image in job["images"]}
        assert job_id in told or names <= aftermath.records.unanswered


def test_every_file_belongs_to_a_job_and_none_is_missing(aftermath: Aftermath) -> None:
    assert aftermath.objects == keys_of(aftermath.jobs)


def test_each_subscriber_saw_every_end_once_and_as_it_is(aftermath: Aftermath) -> None:
    for job_id, frames in aftermath.frames.items():
        ends = [frame["image"] for frame in frames if frame["type"] == "image_complete"]
        assert sorted(ends, key=lambda image: image["index"]) == aftermath.jobs[job_id]["images"]


def test_each_subscriber_saw_the_ends_in_order(aftermath: Aftermath) -> None:
    for frames in aftermath.frames.values():
        ended = [
            frame["completed"] + frame["failed"] for frame in frames if frame["type"] == "image_complete"
        ]
        assert ended == list(range(1, len(ended) + 1))
        positions = [int(frame["id"].rpartition(":")[2]) for frame in frames]
        assert positions == sorted(set(positions))


def test_each_subscriber_saw_one_job_complete_at_last(aftermath: Aftermath) -> None:
    for frames in aftermath.frames.values():
        types = [frame["type"] for frame in frames]
        assert types.index("job_complete") == len(types) - 1
