"""Somebody who visits pages: with a mouse or by keyboard alone, on a wide screen or a phone, or by ear."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from attrs import define
from yarl import URL

from tests.servers.opened_page import OpenedPage

WATCH: Final = """
window.complaints = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  complaints.push(`${violatedDirective} forbids ${blockedURI}`));
addEventListener("error", ({ message }) => message && complaints.push(message));
addEventListener("unhandledrejection", ({ reason }) => complaints.push(`${reason}`));
"""
WIDE = 1280
PHONES: Final = (320, 360)
"""The narrowest that pages must fit by WCAG 2.2 (1.4.10), and a common one."""
KEYS: Final = {"Tab": 9, "Enter": 13, " ": 32}


@define(eq=False)
class Visitor:
    """`page` is the tab; whatever is asked is asked of the page that was visited last."""

    page: OpenedPage

    async def begin(self) -> None:
        for domain in ("Page", "DOM", "Accessibility", "Network"):
            await self.page.call(f"{domain}.enable")
        await self.page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    async def settle(self, *, width: int = WIDE, **features: str) -> None:
        """Look at a screen of that width; `features` are media features, such as prefers_color_scheme="dark"."""
        await self.page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width in PHONES,
        )
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        await self.page.call("Emulation.setEmulatedMedia", features=named)

    async def visit(self, address: str) -> None:
        """The page that is shown may have an address that begins so: it is to be left first."""
        await self.page.until("window.is_to_be_left = true")
        await self.page.call("Page.navigate", url=address)
        await self.page.until("!window.is_to_be_left")
        await self.arrive(address)

    async def arrive(self, address_begin: str) -> str:
        """Until a page of such an address is loaded; its whole address."""
        begins = f"location.href.startsWith({json.dumps(address_begin)})"
        await self.page.until(f"{begins} && document.readyState === 'complete'")
        return str(await self.value("location.href"))

    async def value(self, expression: str) -> Any:
        return await self.page.value(expression)

    async def text(self, selector: str) -> str:
        """As it is seen."""
        return str(await self.value(f"document.querySelector({json.dumps(selector)})?.innerText"))

    async def texts(self, selector: str) -> list[str]:
        found: list[str] = await self.value(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"
        )
        return found

    async def until_text(self, selector: str, text: str) -> None:
        """Until the place says it, or more than it."""
        place = f"document.querySelector({json.dumps(selector)})?.innerText"
        await self.page.until(f"({place} ?? '').includes({json.dumps(text)})")

    async def complaints(self) -> list[str]:
        """What the page did that its policy forbids, and errors that its scripts threw."""
        found: list[str] = await self.value("window.complaints") or []
        return found

    def asked_hosts(self) -> set[str]:
        """All that anything was fetched from since this was asked last."""
        told, self.page.told = self.page.told, []
        addresses = [
            event["params"]["url"]
            if event.get("method") == "Network.webSocketCreated"
            else event["params"]["request"]["url"]
            for event in told
            if event.get("method") in ("Network.requestWillBeSent", "Network.webSocketCreated")
        ]
        return {URL(address).host or "" for address in addresses if not address.startswith("data:")}

    async def choose(self, files: Sequence[Path]) -> None:
        """In the first `<input type="file">`."""
        root = await self.page.call("DOM.getDocument")
        chooser = await self.page.call(
            "DOM.querySelector", nodeId=root["root"]["nodeId"], selector="input[type=file]"
        )
        await self.page.call(
            "DOM.setFileInputFiles", nodeId=chooser["nodeId"], files=[str(file) for file in files]
        )

    async def drop(self, files: Sequence[Path], selector: str) -> None:
        """As from a file manager, in the middle of that element."""
        middle = f"""(() => {{
            const {{ x, y, width, height }} = document.querySelector("{selector}").getBoundingClientRect();
            return {{ x: x + width / 2, y: y + height / 2 }};
        }})()"""
        place = await self.value(middle)
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.page.call("Input.dispatchDragEvent", type=kind, data=data, **place)

    async def press(self, key: str) -> None:
        text = {"Enter": "\r", " ": " "}.get(key, "")
        keys = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        await self.page.call("Input.dispatchKeyEvent", type="keyDown", text=text, **keys)
        await self.page.call("Input.dispatchKeyEvent", type="keyUp", **keys)

    async def tab_stops(self) -> list[str]:
        """What gets the focus by Tab, in turn, until the page is left."""
        await self.value("document.activeElement.blur()")
        stops: list[str] = []
        while True:
            await self.press("Tab")
            stop = await self.value(
                "(({ id, innerText, tagName }) => tagName === 'BODY' ? '' : id || innerText)(document.activeElement)"
            )
            if not stop or stop in stops:
                return stops
            stops.append(stop)

    async def heard(self) -> list[tuple[str, str]]:
        """Role and name of all that assistive technology is told of."""
        tree = await self.page.call("Accessibility.getFullAXTree")
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree["nodes"]
            if not node["ignored"] and node["role"]["value"] not in ("InlineTextBox", "StaticText")
        ]

    async def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(
            await self.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )


CONTRASTS: Final = """
(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = channels(colour).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (place) => {
    const { backgroundColor } = getComputedStyle(place);
    return channels(backgroundColor)[3] === 0 ? behind(place.parentElement) : backgroundColor;
  };
  const written = [...document.querySelectorAll("body *")].filter((place) =>
    [...place.childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim()) && place.checkVisibility());
  return written.map((place) => {
    const [darker, lighter] = [light(getComputedStyle(place).color), light(behind(place))].sort((a, b) => a - b);
    return [place.innerText, (lighter + 0.05) / (darker + 0.05)];
  });
})()
"""
"""Each written element with the contrast of its text, by WCAG 2.2 (1.4.3)."""
