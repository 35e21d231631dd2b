"""An image that kills the gateway whenever it is in work, in embedded mode: it alone fails, and only after its tries.

The analyzer asks a model about each image; the one here answers about the poisonous picture with a SIGKILL.
"""

import asyncio
import io
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from attrs import define, field
from PIL import Image

from tests.photos import a_jpeg
from tests.servers.chat_completions import VisionServer, silence, vision_server, words
from tests.servers.gateway import Gateway, running_gateway
from tests.submitting import Fields, job_of, submit_files

pytestmark = pytest.mark.timeout(360)

MAX_DEATHS = 8
PATIENCE_S = 200
BEFORE_IT_IS_ALONE = 3
"""Deaths, each with innocent neighbours in work."""
WORDS = words("A gradient", "It goes from black to white.", ["gradient"])
POISON = "poison.jpg"
BATCHES = (
    ["a.jpg", POISON, *(f"b{number}.jpg" for number in range(10))],
    [f"c{number}.jpg" for number in range(4)],
)


def a_red_picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "JPEG")
    return out.getvalue()


@define
class Model:
    """Kills the gateway when asked about a red picture; is silent about others during the first deaths."""

    server: VisionServer | None = None
    gateway: Gateway | None = None
    company: list[int] = field(factory=list)
    """Of each death: how many other images were in work."""
    is_armed: asyncio.Event = field(factory=asyncio.Event)
    is_speaking: asyncio.Event = field(factory=asyncio.Event)
    _in_work: list[object] = field(factory=list)
    """Questions of the gateway that lives now."""

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        self._in_work.append(writer)
        if self._is_asked_of_poison():
            await self._kill()
        else:
            await self.is_speaking.wait()
            await WORDS(writer)
        if writer in self._in_work:
            self._in_work.remove(writer)

    def _is_asked_of_poison(self) -> bool:
        assert self.server is not None
        red, green, blue = self.server.asked[-1].picture.resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        return bool(red > 200 and green < 50 and blue < 50)

    async def _kill(self) -> None:
        assert self.gateway is not None
        await self.is_armed.wait()
        while len(self.company) < BEFORE_IT_IS_ALONE and len(self._in_work) < 2:
            await asyncio.sleep(0.01)
        self.company.append(len(self._in_work) - 1)
        self._in_work.clear()
        if len(self.company) == BEFORE_IT_IS_ALONE:
            self.is_speaking.set()
        self.gateway.process.kill()


async def starts_it_again(gateway: Gateway) -> None:
    """As a supervisor does, whenever it has ended."""
    while True:
        await gateway.process.wait()
        await gateway.launch()


@asynccontextmanager
async def a_supervisor(gateway: Gateway) -> AsyncIterator[None]:
    task = asyncio.create_task(starts_it_again(gateway))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def ended(http: aiohttp.ClientSession, gateway: Gateway, job_id: str) -> Fields:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(aiohttp.ClientError):
                job = await job_of(http, gateway.base_url, job_id)
                if "completed_at" in job:
                    return job
            await asyncio.sleep(0.1)


async def test_a_poisonous_image_fails_after_its_tries_and_takes_no_neighbour_with_it(tmp_path: Path):
    model = Model()
    async with (
        vision_server(model.answer) as model.server,
        running_gateway(
            tmp_path / "data",
            environment={"OPENROUTER_API_KEY": "sk-or-v1-secret"},
            vision_url=model.server.url,
            jobs_max_interruptions=MAX_DEATHS,
        ) as model.gateway,
        a_supervisor(model.gateway),
        aiohttp.ClientSession() as http,
    ):
        pictures = {POISON: a_red_picture()}
        job_ids = [
            await submit_files(
                http, model.gateway.base_url, [(name, pictures.get(name, a_jpeg())) for name in batch]
            )
            for batch in BATCHES
        ]
        model.is_armed.set()
        jobs = [await ended(http, model.gateway, job_id) for job_id in job_ids]
    ends = {
        image["original_filename"]: image.get("code", image["status"])
        for job in jobs
        for image in job["images"]
    }
    assert ends == {name: "completed" for batch in BATCHES for name in batch} | {POISON: "interrupted"}
    assert [job["status"] for job in jobs] == ["completed", "completed"]
    assert all(model.company[:BEFORE_IT_IS_ALONE])
    assert model.company[BEFORE_IT_IS_ALONE:] == [0] * (MAX_DEATHS - BEFORE_IT_IS_ALONE)


@pytest.mark.parametrize(
    ("number", "end"),
    [(signal.SIGTERM, "completed"), (signal.SIGKILL, "interrupted")],
    ids=str,
)
async def test_a_death_is_an_interruption_and_a_stop_is_none(
    tmp_path: Path, number: signal.Signals, end: str
):
    async with (
        vision_server(silence(), WORDS) as server,
        running_gateway(
            tmp_path / "data",
            environment={"OPENROUTER_API_KEY": "sk-or-v1-secret"},
            vision_url=server.url,
            jobs_max_interruptions=1,
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        async with asyncio.timeout(PATIENCE_S):
            while not server.asked:
                await asyncio.sleep(0.02)
        await gateway.stop(number)
        await gateway.start()
        (image,) = (await ended(http, gateway, job_id))["images"]
    assert image.get("code", image["status"]) == end
