"""The examples of the documents do what the documents say: each runs against a real gateway, and the answers that
are shown below them are compared with the real ones.

What the documents call example.com, port 8080 and job 550e8400-... is a site, a gateway and a job of the test.
JavaScript runs in a browser, on a page of another origin than the gateway's.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from attrs import frozen

from gateway.images.signatures import image_type
from tests.chaos.bodies import undecodable
from tests.documents import API, CLIENTS, README, ROOT, Example, examples
from tests.servers.browser import Page, ScriptFailed, browser_page
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.web import Page as SitePage
from tests.servers.web import Request, Site, image, web_server
from tests.shown_answers import lies_of_http, lies_of_json

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUN_S = 90
END_S = 60
EXAMPLES = [example for document in (README, API, *CLIENTS) for example in examples(document)]
PREAMBLES = {
    language: next(example for example in examples(API) if example.code.language == language)
    for language in ("bash", "javascript", "python")
}
"""The first example of each language says which gateway and which job the others are about."""
PHOTOS = ROOT / "examples" / "photos"
FILES = {
    "photo1.jpg": (PHOTOS / "lighthouse-on-the-cliff.jpg").read_bytes(),
    "photo2.png": (PHOTOS / "city-at-night.png").read_bytes(),
}
BROKEN = undecodable("broken")
NOTES = b"Not an image.\n"


@frozen
class World:
    """What the documents speak of."""

    gateway: Gateway
    site: Site
    job_id: str

    def told(self, text: str) -> str:
        """The document's text, about our gateway, site and job."""
        return (
            text.replace("127.0.0.1:8080", f"127.0.0.1:{self.gateway.port}")
            .replace("https://example.com", self.site.url(""))
            .replace("550e8400-e29b-41d4-a716-446655440000", self.job_id)
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    pages: dict[str, SitePage] = {
        "/photo1.jpg": image(FILES["photo1.jpg"], "image/jpeg"),
        "/slow.jpg": _never,
    }
    async with (
        web_server(pages) as site,
        running_gateway(
            tmp_path_factory.mktemp("gateway") / "data",
            fetch_allowed_networks=site.network,
            fetch_allowed_ports=site.port,
        ) as gateway,
    ):
        yield World(gateway, site, await _an_ended_job(gateway))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    async with browser_page(tmp_path_factory.mktemp("browser"), FILES) as page:
        yield page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader stands: two photos, one that nobody can decode, the samples, and what `make run` made."""
    for name, content in (FILES | {BROKEN.name: BROKEN.content}).items():
        (tmp_path / name).write_bytes(content)
    shutil.copytree(PHOTOS, tmp_path / "examples" / "photos")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.code.language == "bash"], ids=str)
async def test_a_shell_example_does_what_is_shown(example: Example, world: World, folder: Path) -> None:
    printed = await _run(folder, world, "bash", "-euo", "pipefail", "-c", _code(example, world))
    assert _lies(example, printed) == []
    assert _no_images(folder) == []


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.code.language == "python"], ids=str)
async def test_a_python_example_does_what_is_shown(example: Example, world: World, folder: Path) -> None:
    printed = await _run(folder, world, sys.executable, "-c", _code(example, world))
    assert _lies(example, printed) == []
    assert _no_images(folder) == []


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.code.language == "javascript"], ids=str)
async def test_a_javascript_example_does_what_is_shown(example: Example, world: World, page: Page) -> None:
    logged = await page.run(_code(example, world))
    assert logged or example == PREAMBLES["javascript"]
    assert _lies(example, "\n".join(map(json.dumps, logged))) == []


async def test_a_page_whose_origin_is_not_on_the_list_is_kept_out(page: Page, tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", http_cors_origins="https://example.com") as gateway:
        job_id = await _an_ended_job(gateway)
        with pytest.raises(ScriptFailed, match="Failed to fetch"):
            await page.run(f"await fetch('{gateway.url('/healthz')}')")
        closed = await page.run(
            f"const socket = new WebSocket('ws://127.0.0.1:{gateway.port}/api/v1/batch/{job_id}/ws');"
            "console.log((await new Promise((closed) => (socket.onclose = closed))).code)"
        )
    assert closed == [1006]


def _code(example: Example, world: World) -> str:
    """As the reader runs it: those of the API's document, and of the clients', after its first lines."""
    preamble = PREAMBLES[example.code.language]
    begins = "" if example.document == README or example == preamble else preamble.code.text
    return world.told(begins + example.code.text)


def _lies(example: Example, printed: str) -> list[str]:
    """Where no answer is shown, there must be no error."""
    if example.shown is None:
        return [printed] if '"about:blank"' in printed else []
    compare = lies_of_http if example.shown.language == "http" else lies_of_json
    return compare(example.shown.text, printed)


def _no_images(folder: Path) -> list[Path]:
    """Files that are called an image and are none: an error that was saved as one, say."""
    called_so = (path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
    return [path for path in called_so if image_type(path.read_bytes()) is None]


async def _run(folder: Path, world: World, *command: str) -> str:
    """What the command printed; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=os.environ | {"GATEWAY_URL": world.gateway.base_url},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(RUN_S):
            printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode()
    return printed.decode(errors="replace")


async def _an_ended_job(gateway: Gateway) -> str:
    """The job that the API's document speaks of."""
    form = aiohttp.FormData()
    for name, content in (*FILES.items(), ("notes.txt", NOTES)):
        form.add_field("images", content, filename=name)
    async with aiohttp.ClientSession(gateway.base_url) as http, asyncio.timeout(END_S):
        async with http.post("/api/v1/batch", data=form) as answer:
            job_id: str = (await answer.json())["job_id"]
        async with http.ws_connect(f"/api/v1/batch/{job_id}/ws") as socket:
            async for _ in socket:
                pass
    return job_id


async def _never(_: Request, writer: asyncio.StreamWriter) -> None:
    """A site that takes its time."""
    await asyncio.Event().wait()
