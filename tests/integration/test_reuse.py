"""Bytes that were analysed before, with a gateway as it is run: by HTTP, in every way there is to send them, over the
end of the job that was analysed and over a SIGKILL.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import define

from gateway.client import GatewayClient, ImageRef
from tests.following import follow
from tests.pictures import china, tags_of
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.web import Site, image, web_server
from tests.submitting import Fields, as_base64, job_of, processed_of, submit_files, submit_json

PATIENCE_S = 60
BATCH = "/api/v1/batch"
KEEP_TITLES = {"title": "keep"}


async def never(*_: object) -> None:
    """A page that does not come."""
    await asyncio.Event().wait()


@define(eq=False)
class World:
    """A gateway that reuses, a client of it, and a site with the photo and with a page that does not come."""

    gateway: Gateway
    http: aiohttp.ClientSession
    site: Site

    @property
    def url(self) -> str:
        return self.gateway.base_url

    async def ended(self, job_id: str) -> Fields:
        await follow(self.http, self.url, job_id)
        return await job_of(self.http, self.url, job_id)

    async def analysed(self, name: str = "harbour.jpg") -> Fields:
        """The job of the photo, sent for the first time."""
        return await self.ended(await submit_files(self.http, self.url, [(name, china())]))

    async def original_of(self, job_id: str, index: int = 0) -> tuple[bytes, str]:
        """And how it is called."""
        address = f"{self.url}{BATCH}/{job_id}/images/{index}/original"
        async with self.http.get(address) as answer:
            assert answer.status == 200
            return await answer.read(), answer.headers["Content-Disposition"]

    async def posted(self, **body: Any) -> Fields:
        """The 201."""
        async with self.http.post(f"{self.url}{BATCH}", **body) as answer:
            assert answer.status == 201, await answer.text()
            return dict(await answer.json())

    async def gone(self, job_id: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with self.http.get(f"{self.url}{BATCH}/{job_id}") as answer:
                    if answer.status == 404:
                        return
                await asyncio.sleep(0.05)


Open = Callable[..., Awaitable[World]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def open_(**settings: object) -> World:
            pages = {"/again.jpg": image(china(), "image/jpeg"), "/never.jpg": never}
            site = await stack.enter_async_context(web_server(pages))
            places = {"fetch_allowed_networks": site.network, "fetch_allowed_ports": site.port}
            together: Any = {"jobs_reuse": True, **places, **settings}
            gateway = await stack.enter_async_context(running_gateway(tmp_path / "data", **together))
            return World(gateway, await stack.enter_async_context(aiohttp.ClientSession()), site)

        yield open_


def source_of(job: Fields, index: int = 0) -> Fields:
    return {"job_id": job["job_id"], "index": index}


async def by_form(world: World) -> str:
    return await submit_files(world.http, world.url, [("again.jpg", china())])


async def by_json(world: World) -> str:
    return await submit_json(world.http, world.url, [as_base64("again.jpg", china())])


async def as_body(world: World) -> str:
    headers = {"Content-Type": "image/jpeg"}
    return str((await world.posted(data=china(), headers=headers, params={"name": "again.jpg"}))["job_id"])


async def by_url(world: World) -> str:
    return await submit_json(world.http, world.url, [{"url": world.site.url("/again.jpg")}])


@pytest.mark.parametrize("send", [by_form, by_json, as_body, by_url])
async def test_bytes_that_were_analysed_are_completed_with_what_was_found(
    opened: Open, send: Callable[[World], Awaitable[str]]
) -> None:
    world = await opened()
    first = await world.analysed()
    again = await world.ended(await send(world))
    (found,), (image,) = first["images"], again["images"]
    assert (again["status"], again["outcome"]) == ("completed", "all_completed")
    assert image["reused_from"] == source_of(first)
    for name in ("metadata", "processed_path", "sha256"):
        assert image[name] == found[name]
    assert image["original_filename"] == "again.jpg"
    assert "reused_from" not in found
    tagged = await processed_of(world.http, world.url, again["job_id"], 0)
    assert tagged == await processed_of(world.http, world.url, first["job_id"], 0)
    assert tags_of(tagged)["IFD0:XPTitle"] == image["metadata"]["title"]


async def test_a_batch_of_nothing_else_is_completed_when_it_is_accepted(opened: Open) -> None:
    world = await opened()
    first = await world.analysed()
    photo = {"base64": base64.b64encode(china()).decode()}
    told = await world.posted(json={"images": [photo, photo]})
    assert told["status"] == "completed"
    followed = await follow(world.http, world.url, told["job_id"])
    assert (followed.types, followed.close_code) == (["progress", "job_complete"], 1000)
    everything = await follow(world.http, world.url, told["job_id"], after="0")
    frames = [frame["image"] for frame in everything.frames if frame["type"] == "image_complete"]
    assert frames == (await job_of(world.http, world.url, told["job_id"]))["images"]
    assert [frame["reused_from"] for frame in frames] == [source_of(first)] * 2


async def test_its_images_are_its_own_to_those_who_ask(opened: Open) -> None:
    world = await opened()
    await world.analysed("harbour.jpg")
    job_id = await by_form(world)
    content, called = await world.original_of(job_id)
    assert (content == china(), called) == (True, 'inline; filename="again.jpg"')
    async with world.http.get(f"{world.url}{BATCH}/{job_id}/images/0/processed") as answer:
        assert answer.headers["Content-Disposition"] == called
    keyword = (await job_of(world.http, world.url, job_id))["images"][0]["metadata"]["keywords"][0]
    async with world.http.get(f"{world.url}/api/v1/images", params={"keyword": keyword}) as answer:
        assert (await answer.json())["images"][0]["job_id"] == job_id


async def test_the_python_client_tells_it(opened: Open) -> None:
    world = await opened()
    first = await world.analysed()
    async with GatewayClient(world.url) as client:
        submitted = await client.submit([("again.jpg", china())])
        (told,) = (await client.status(submitted.job_id)).images
    assert told.reused_from == ImageRef(first["job_id"], 0)


async def test_with_other_options_they_are_analysed_again(opened: Open) -> None:
    world = await opened()
    await world.analysed()
    photo = [("harbour.jpg", china())]
    kept = await world.ended(await submit_files(world.http, world.url, photo, KEEP_TITLES))
    again = await world.ended(await submit_files(world.http, world.url, photo, KEEP_TITLES))
    assert "reused_from" not in kept["images"][0]
    assert again["images"][0]["reused_from"] == source_of(kept)


async def test_unless_it_is_set_they_are_analysed_again(opened: Open) -> None:
    world = await opened(jobs_reuse=False)
    first, again = await world.analysed(), await world.analysed()
    paths = {job["images"][0]["processed_path"] for job in (first, again)}
    assert len(paths) == 2
    assert not any("reused_from" in job["images"][0] for job in (first, again))


async def test_what_is_reused_outlives_the_job_it_came_from_and_a_sigkill(opened: Open) -> None:
    world = await opened(jobs_keep_s=6, jobs_clean_every_s=0.1, fetch_total_timeout_s=PATIENCE_S)
    first = await world.analysed()
    tagged = await processed_of(world.http, world.url, first["job_id"], 0)
    images = [as_base64("again.jpg", china()), {"url": world.site.url("/never.jpg")}]
    job_id = await submit_json(world.http, world.url, images)
    await world.gone(first["job_id"])
    await world.gateway.kill()
    await world.gateway.start()
    image = (await job_of(world.http, world.url, job_id))["images"][0]
    assert (image["status"], image["reused_from"]) == ("completed", source_of(first))
    assert await processed_of(world.http, world.url, job_id, 0) == tagged
    assert (await world.original_of(job_id))[0] == china()
    fresh = await world.ended(await by_form(world))
    assert "reused_from" not in fresh["images"][0]
