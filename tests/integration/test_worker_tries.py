"""An image that kills its worker, each time: it ends so many and no more, and takes no other image with it."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from attrs import define, field
from PIL import Image

from tests.golden import golden
from tests.servers.chat_completions import HOST, VisionServer, vision_server, words
from tests.servers.s3 import S3Server, plain_client
from tests.servers.system import START_S, Program, running, worker
from tests.servers.wire import Seen, Wire, replaced, wire

MOST = 5
IN_COMPANY = 2
"""So often others are in work beside it; after that it is alone."""
COLOURS = {"poison": (255, 0, 0), "innocent-1": (0, 255, 0), "innocent-2": (0, 0, 255)}
GIVEN_UP = "Each process that worked on it ended in the middle of it."

(UPLOAD,) = golden("image_upload.accepted")
(WORDS,) = golden("metadata_generated")


@pytest.fixture
async def line(rabbitmq_url: str) -> AsyncIterator[Wire]:
    async with wire(rabbitmq_url) as line:
        await line.declare_as_the_services_do()
        yield line


async def keep_original(store: S3Server, name: str) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), COLOURS[name]).save(picture, "JPEG")
    async with plain_client(store) as client:
        await client.put_object(Bucket="original", Key=f"{name}/original.jpg", Body=picture.getvalue())


def asking(name: str, message: Mapping[str, Any]) -> bytes:
    return replaced(message, trace_id=name, original_path=f"{name}/original.jpg")


@define(eq=False)
class Killer:
    """A model that kills who asks it about the poison; about the others it answers, but while they are in company."""

    server: VisionServer
    kills: int = 0
    in_work: set[str] = field(factory=set)
    all_in_work: asyncio.Event = field(factory=asyncio.Event)
    victim: Program | None = None

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        name = self._asked_about()
        self.in_work.add(name)
        if self.in_work == set(COLOURS):
            self.all_in_work.set()
        if name == "poison":
            await self._kill()
        elif self.kills < IN_COMPANY:
            await asyncio.Event().wait()
        await words(name, f"This is {name}.", [name])(writer)

    async def _kill(self) -> None:
        if self.kills < IN_COMPANY:
            await self.all_in_work.wait()
        self.kills += 1
        self.in_work.clear()
        self.all_in_work.clear()
        assert self.victim is not None
        os.kill(self.victim.process.pid, signal.SIGKILL)
        await asyncio.Event().wait()

    def _asked_about(self) -> str:
        pixel: Any = self.server.asked[-1].picture.getpixel((32, 32))
        return max(
            COLOURS, key=lambda name: -sum(abs(a - b) for a, b in zip(pixel, COLOURS[name], strict=True))
        )


async def test_an_image_that_kills_analyzers_is_given_up_and_those_beside_it_are_not(
    place, own_store, line, tmp_path
):
    async with vision_server() as server:
        killer = Killer(server)
        server.answers = [killer.answer]
        settings = {
            "GATEWAY_ANALYZER_PROVIDERS": "vision",
            "GATEWAY_VISION_URL": f"http://{HOST}:{server.port}/v1",
            "GATEWAY_VISION_MAX_TRIES": "1",
            "WORKER_CONCURRENCY": "3",
        }
        analyzer = worker("analyzer", "ours", place, tmp_path, **settings)
        async with running(analyzer, is_kept_alive=True):
            killer.victim = analyzer
            for name in COLOURS:
                await keep_original(own_store, name)
                await line.publish("image_upload", asking(name, UPLOAD))
            described = {
                (await line.take("metadata_generated", within_s=START_S)).json["trace_id"] for _ in range(2)
            }
            assert described == {"innocent-1", "innocent-2"}
            letter = await line.take("dead_letter_queue", within_s=START_S)
            assert letter.body == asking("poison", UPLOAD)
            assert letter.properties["headers"] == {
                "reject-reason": GIVEN_UP,
                "failure-code": "analysis_crashed",
            }
            assert (killer.kills, await line.depth("image_upload")) == (MOST, (0, 3))


async def test_an_image_that_kills_processors_is_answered_as_failed(place, own_store, line, tmp_path):
    """Here the store hangs, and the worker is killed with the message in hand.

    It takes one message at a time, so that what counts the try has been acked by then.
    """
    settings = {"LOG_LEVEL": "debug", "WORKER_CONCURRENCY": "1"}
    async with running(worker("processor", "ours", place, tmp_path, **settings)) as processor:
        await keep_original(own_store, "poison")
        os.kill(own_store.pid, signal.SIGSTOP)
        await line.publish("metadata_generated", asking("poison", WORDS))
        for tries in range(1, MOST + 1):
            await has_begun(processor, tries)
            await processor.kill()
            await processor.launch()
        os.kill(own_store.pid, signal.SIGCONT)
        answer: Seen = await line.take("image_processed", within_s=START_S)
        assert (answer.json["trace_id"], answer.json["status"]) == ("poison", "failed")
        assert answer.json["error"] == GIVEN_UP
        assert answer.properties["headers"] == {"failure-code": "tagging_failed", "tries": MOST}
        assert processor.output().count("message in hand") == MOST
        await line.holds("metadata_generated", 0)


async def has_begun(program: Program, times: int) -> None:
    async with asyncio.timeout(START_S):
        while program.output().count("message in hand") < times:
            await asyncio.sleep(0.02)
