"""A real browser on a page of another origin than the gateway's: headless Chromium with an empty profile.

    async with browser_page(tmp_path, {"photo.jpg": PHOTO}) as page:
        logged = await page.run("console.log(await (await fetch(url)).json())")

The page has an `<input type="file">` in which the files are chosen. It fetches each script from its own server and
tells it what the script logged, so nothing but HTTP lies between test and page.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from attrs import define, field

from tests.free_ports import free_port
from tests.servers.chromium import chromium

START_S = 60
SCRIPT_S = 60
HOST = "127.0.0.1"
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>A page of another origin</title>
<input type="file" multiple>
<script type="module">
const Script = (async () => {}).constructor;
const chosen = new DataTransfer();
for (const name of await (await fetch("/files")).json()) {
  chosen.items.add(new File([await (await fetch(`/files/${name}`)).blob()], name));
}
document.querySelector("input").files = chosen.files;
for (;;) {
  const { number, script } = await (await fetch("/script")).json();
  const logged = [];
  let error = "";
  try {
    await new Script("console", script)({ log: (...values) => logged.push(...values) });
  } catch (caught) {
    error = `${caught}`;
  }
  await fetch("/outcome", { method: "POST", body: JSON.stringify({ number, logged, error }) });
}
</script>
"""


class ScriptFailed(Exception):
    """The script threw; the text is its error's."""


@define(eq=False)
class Page:
    """Runs one script at a time."""

    port: int
    files: Mapping[str, bytes]
    _runs: int = 0
    _scripts: asyncio.Queue[Mapping[str, Any]] = field(factory=asyncio.Queue)
    _outcomes: asyncio.Queue[Mapping[str, Any]] = field(factory=asyncio.Queue)

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def run(self, script: str, *, within_s: float = SCRIPT_S) -> list[Any]:
        """What the script logged, as JSON has it. `await` may stand at its top. Raises ScriptFailed."""
        self._runs += 1
        self._scripts.put_nowait({"number": self._runs, "script": script})
        async with asyncio.timeout(within_s):
            outcome = await self._outcome_of(self._runs)
        if outcome["error"]:
            raise ScriptFailed(outcome["error"])
        logged: list[Any] = outcome["logged"]
        return logged

    async def _outcome_of(self, number: int) -> Mapping[str, Any]:
        """Those of scripts that were given up are passed over."""
        while (outcome := await self._outcomes.get())["number"] != number:
            pass
        return outcome

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self._page),
                web.get("/files", self._names),
                web.get("/files/{name}", self._file),
                web.get("/script", self._script),
                web.post("/outcome", self._outcome),
            ]
        )
        return application

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _names(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.files))

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]])

    async def _script(self, _: web.Request) -> web.Response:
        return web.json_response(await self._scripts.get())

    async def _outcome(self, request: web.Request) -> web.Response:
        self._outcomes.put_nowait(await request.json())
        return web.Response()


@asynccontextmanager
async def browser_page(folder: Path, files: Mapping[str, bytes], *options: str) -> AsyncIterator[Page]:
    """A page that is ready to run scripts; the profile lies in `folder`. `options` are the browser's."""
    page = Page(free_port(), files)
    runner = web.AppRunner(
        page.application(), access_log=None, shutdown_timeout=0.1, handler_cancellation=True
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, page.port).start()
        async with chromium(folder, page.origin, *options):
            await page.run("", within_s=START_S)
            yield page
    finally:
        await runner.cleanup()
