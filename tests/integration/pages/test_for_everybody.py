"""What any page owes to who can't see it, has no mouse, or little room: rules of WCAG 2.2 that a machine can check."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
import pytest_asyncio

from gateway.domain import transitions
from tests import builders
from tests.integration.pages.visiting import PHONES, Visitor
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway

pytestmark = pytest.mark.asyncio(loop_scope="package")

PAGES: Final = ("home", "batch", "batch that is unknown")
NAMED: Final = {"button", "link", "textbox", "progressbar", "image", "img", "navigation", "combobox"}
"""Roles of which nobody knows what they are without a name (4.1.2, 1.1.1)."""
SMALLEST_TARGET: Final = 24
"""Pixels, either way (2.5.8)."""
TARGETS: Final = """
[...document.querySelectorAll("a, button, input, summary")].filter((one) => one.checkVisibility()).map((one) => {
  const { width, height } = one.getBoundingClientRect();
  return [one.id || one.innerText, Math.min(width, height)];
})
"""
REPEATED_IDS: Final = """
[...document.querySelectorAll("[id]")].map(({ id }) => id).filter((id, place, ids) => ids.indexOf(id) !== place)
"""
REFERRED_TO: Final = """
["for", "aria-labelledby", "aria-describedby"].flatMap((name) =>
  [...document.querySelectorAll(`[${name}]`)].flatMap((one) => one.getAttribute(name).split(" ")))
"""


@pytest_asyncio.fixture(loop_scope="package", params=PAGES)
async def page(request: pytest.FixtureRequest, quiet: QuietGateway, visitor: Visitor) -> Visitor:
    """One that is shown, with an image of each kind if it is that of a batch."""
    base_url = f"http://127.0.0.1:{quiet.port}"
    if request.param == "home":
        await visitor.visit(f"{base_url}/")
        await visitor.page.until("document.querySelector('#bound').textContent !== ''")
    elif request.param == "batch":
        await visitor.visit(f"{base_url}/batches/{await a_batch(quiet)}")
        await visitor.page.until("document.querySelector('#images img')?.naturalWidth > 0")
        await visitor.page.until("document.querySelectorAll('#images > li').length === 4")
    else:
        await visitor.visit(f"{base_url}/batches/550e8400-e29b-41d4-a716-446655440000")
        await visitor.until_text("h1", "No such batch")
    return visitor


async def a_batch(quiet: QuietGateway) -> str:
    """Of an image that is tagged, one that failed, one that is in work and one that waits."""
    job = await quiet.accept(images=4)
    ended = await quiet.complete(job.job_id, 0)
    key = ended.images[0].processed_path
    assert key is not None
    await quiet.put_processed(key, plain("JPEG"))
    await quiet.fail(job.job_id, 1)
    await quiet.change(
        job.job_id, lambda job: transitions.published(job, [builders.attempt_of(job, 2)], job.updated_at)
    )
    return job.job_id


async def test_whatever_has_a_part_to_play_has_a_name(page: Visitor) -> None:
    nameless = [role for role, name in await page.heard() if role in NAMED and not name.strip()]
    assert nameless == []


async def test_its_headings_are_an_outline(page: Visitor) -> None:
    """One at the top, and none that skips a level."""
    levels = await page.value(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]"
        ".filter((one) => one.checkVisibility()).map(({ tagName }) => Number(tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(lower <= upper + 1 for upper, lower in pairwise(levels))


async def test_it_says_its_language_its_title_and_where_the_content_is(page: Visitor) -> None:
    assert await page.value("document.documentElement.lang") == "en"
    assert await page.value("document.title") != ""
    assert await page.value("document.querySelectorAll('main').length") == 1
    assert (
        await page.value("document.querySelector('meta[name=viewport]').content")
        == "width=device-width, initial-scale=1"
    )


async def test_what_refers_to_something_finds_it(page: Visitor) -> None:
    assert await page.value(REPEATED_IDS) == []
    referred: Sequence[Any] = await page.value(REFERRED_TO)
    assert [
        one for one in referred if not await page.value(f"document.getElementById('{one}') !== null")
    ] == []


async def test_the_keyboard_goes_in_the_order_of_the_page(page: Visitor) -> None:
    assert (
        await page.value(
            'document.querySelectorAll(\'[tabindex]:not([tabindex="0"]):not([tabindex="-1"])\').length'
        )
        == 0
    )


@pytest.mark.parametrize("width", PHONES)
async def test_what_is_touched_is_large_enough(page: Visitor, width: int) -> None:
    await page.settle(width=width)
    targets = await page.value(TARGETS)
    assert targets
    assert [target for target in targets if target[1] < SMALLEST_TARGET] == []
