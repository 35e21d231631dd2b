"""A page opened in headless Chromium, asked through its DevTools protocol.

async with opened_page(tmp_path, "http://127.0.0.1:8080/docs", width=400) as page:
    title = await page.value("document.title")
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, field

from tests.patience import PATIENCE_S
from tests.servers.chromium import chromium

START_S = 60
POLL_S = 0.05
BLANK = "about:blank"


class NotAnswered(Exception):
    """The browser could not do it; the text is its own."""


@define(eq=False)
class OpenedPage:
    """Asks one thing at a time."""

    _tools: aiohttp.ClientWebSocketResponse
    _number: int = 0
    told: list[dict[str, Any]] = field(factory=list)
    """What the browser said unasked: events of domains that were enabled."""

    async def value(self, expression: str) -> Any:
        """What the JavaScript expression gives, as JSON has it; None when it throws."""
        outcome = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return outcome["result"].get("value")

    async def until(self, expression: str) -> None:
        """Until the expression is true."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self._holds(expression):
                await asyncio.sleep(POLL_S)

    async def _holds(self, expression: str) -> bool:
        try:
            return bool(await self.value(expression))
        except NotAnswered:
            return False  # The page was left while it was asked.

    async def until_told(self, method: str) -> None:
        """Until it has said that unasked, which need not come before the answer to what is asked after it."""
        async with asyncio.timeout(PATIENCE_S):
            while method not in [event.get("method") for event in self.told]:
                self.told.append(await self._tools.receive_json())

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._tools.send_json({"id": self._number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self._tools.receive_json()).get("id") != self._number:
                self.told.append(answer)
        if "error" in answer:
            raise NotAnswered(answer["error"]["message"])
        result: dict[str, Any] = answer["result"]
        return result


@asynccontextmanager
async def opened_page(folder: Path, address: str, *, width: int = 1280) -> AsyncIterator[OpenedPage]:
    """The page, loaded in a window of that width; the browser's profile lies in `folder`."""
    async with chromium(folder, BLANK, "--remote-debugging-port=0"), aiohttp.ClientSession() as http:
        async with asyncio.timeout(START_S):
            tools_at = await _tools_of_the_first_tab(folder, http)
        async with http.ws_connect(tools_at, max_msg_size=0) as tools:
            page = OpenedPage(tools)
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
            await page.call("Emulation.setDeviceMetricsOverride", **size)
            await page.call("Page.navigate", url=address)
            await page.until(f"location.href !== '{BLANK}' && document.readyState === 'complete'")
            yield page


async def _tools_of_the_first_tab(folder: Path, http: aiohttp.ClientSession) -> str:
    """Chromium writes the port that it chose into its profile."""
    port_file = folder / "profile" / "DevToolsActivePort"
    while not port_file.exists() or not port_file.read_text():
        await asyncio.sleep(POLL_S)
    port = port_file.read_text().split()[0]
    while True:
        async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
            tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
        if tabs:
            return str(tabs[0]["webSocketDebuggerUrl"])
        await asyncio.sleep(POLL_S)
