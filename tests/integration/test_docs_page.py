"""The page at /docs as a browser shows it."""

import base64
import json
from pathlib import Path

import pytest

from tests.builders import a_dead_letter
from tests.pictures import plain
from tests.servers.opened_page import OpenedPage, opened_page
from tests.servers.quiet_gateway import QuietGateway

JPEG = base64.b64encode(plain("JPEG")).decode()
IS_SHOWN = "document.querySelector('section.operation') !== null"


def address(gateway: QuietGateway, anchor: str = "") -> str:
    return f"http://127.0.0.1:{gateway.port}/docs{anchor}"


async def is_open(page: OpenedPage) -> bool:
    await page.until(IS_SHOWN)
    return bool(await page.value("document.querySelector('#contents a').checkVisibility()"))


async def test_it_opens_at_the_anchor_of_its_address(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet, "#getReadiness")) as page:
        await page.until(IS_SHOWN)
        await page.until("Math.abs(document.getElementById('getReadiness').getBoundingClientRect().top) < 50")


async def test_sending_a_batch_stands_first_with_a_line_to_try(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        first = await page.value("document.querySelector('section.operation').innerText")
    assert first.startswith("Send a batch of images")
    line = f"curl -F images=@photo1.jpg -F images=@photo2.png http://127.0.0.1:{quiet.port}/api/v1/batch"
    assert line in first


async def test_what_has_few_values_is_chosen_from_them(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        values = "[...document.querySelectorAll('#listBatches select[name={}] option')].map(one => one.value)"
        assert await page.value(values.format("images")) == ["", "true", "false"]
        statuses = ["", "pending", "processing", "completed", "failed", "cancelled"]
        assert await page.value(values.format("status")) == statuses


FORM = "document.querySelector('#createBatch form')"


async def answered(page: OpenedPage) -> str:
    """What the page shows, once there is an answer."""
    await page.value(f"{FORM}.requestSubmit()")
    await page.until(f"{FORM}.querySelector('output p') !== null")
    return str(await page.value(f"{FORM}.querySelector('output').innerText"))


async def test_a_batch_is_sent_as_json_from_an_example_to_edit(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        assert json.loads(await page.value(f"{FORM}.querySelector('textarea').value"))["images"]
        body = json.dumps({"images": [{"base64": JPEG, "name": "it's a photo.jpg"}]})
        await page.value(f"{FORM}.querySelector('textarea').value = {json.dumps(body)}")
        shown = await answered(page)
    assert "201 Created" in shown
    assert "it'\\''s a photo.jpg" in shown
    assert await names_of_the_only_job(quiet) == ["it's a photo.jpg"]


async def test_files_of_ones_own_are_sent_as_a_form(quiet: QuietGateway, tmp_path: Path) -> None:
    choose = f"""
        const chosen = new DataTransfer();
        const bytes = Uint8Array.from(atob("{JPEG}"), (one) => one.charCodeAt(0));
        for (const name of ["a.jpg", "b.jpg"]) chosen.items.add(new File([bytes], name, {{ type: "image/jpeg" }}));
        {FORM}.querySelector("input[type=file]").files = chosen.files;
    """
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        await page.value(choose)
        shown = await answered(page)
    assert "201 Created" in shown
    assert f"curl -F 'images=@a.jpg' -F 'images=@b.jpg' 'http://127.0.0.1:{quiet.port}/api/v1/batch'" in shown
    assert await names_of_the_only_job(quiet) == ["a.jpg", "b.jpg"]


DELETE_ALL = "document.querySelector('#deleteDeadLetters form')"


async def test_what_deletes_asks_first(quiet: QuietGateway, tmp_path: Path) -> None:
    await quiet.context.dead_letters.keep_letter(a_dead_letter())
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        await page.value("window.confirm = (text) => (window.asked = text, true)")
        await page.value(f"{DELETE_ALL}.requestSubmit()")
        await page.until(f"{DELETE_ALL}.querySelector('output p') !== null")
        shown = str(await page.value(f"{DELETE_ALL}.querySelector('output').innerText"))
        assert await page.value("window.asked") == "Delete all dead letters? There is no way back."
    assert shown.startswith(f"curl -X DELETE 'http://127.0.0.1:{quiet.port}/api/v1/dead-letters'")
    assert '"deleted": 1' in shown


async def test_nothing_is_deleted_for_somebody_who_is_not_sure(quiet: QuietGateway, tmp_path: Path) -> None:
    await quiet.context.dead_letters.keep_letter(a_dead_letter())
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        await page.value("window.confirm = () => false")
        await page.value(f"{DELETE_ALL}.requestSubmit()")
        assert await page.value(f"{DELETE_ALL}.querySelector('output').innerText") == ""
    assert (await quiet.context.dead_letters.letters(limit=1)).total == 1


async def test_what_takes_no_body_is_sent_without_one(quiet: QuietGateway, tmp_path: Path) -> None:
    job = await quiet.accept(images=1)
    letter = a_dead_letter(job)
    await quiet.context.dead_letters.keep_letter(letter)
    form = "document.querySelector('#requeueDeadLetter form')"
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        await page.value(f"{form}.querySelector('input[name=id]').value = '{letter.dead_letter_id}'")
        await page.value(f"{form}.requestSubmit()")
        await page.until(f"{form}.querySelector('output p') !== null")
        shown = str(await page.value(f"{form}.querySelector('output').innerText"))
    path = f"/api/v1/dead-letters/{letter.dead_letter_id}/requeue"
    assert shown.startswith(f"curl -X POST 'http://127.0.0.1:{quiet.port}{path}'")
    assert "202 Accepted" in shown


async def test_a_body_that_may_be_left_out_says_so(quiet: QuietGateway, tmp_path: Path) -> None:
    job = await quiet.accept(images=1)
    form = "document.querySelector('#retryBatch form')"
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        assert await page.value(f"{form}.querySelector('label:last-of-type').innerText") == "JSON, or nothing"
        await page.value(f"{form}.querySelector('input[name=job_id]').value = '{job.job_id}'")
        await page.value(f"{form}.querySelector('textarea').value = ''")
        await page.value(f"{form}.requestSubmit()")
        await page.until(f"{form}.querySelector('output p') !== null")
        shown = str(await page.value(f"{form}.querySelector('output').innerText"))
    assert "No image of the job has failed, so far." in shown


async def test_what_is_told_as_it_comes_is_shown_as_it_comes(quiet: QuietGateway, tmp_path: Path) -> None:
    job = await quiet.accept(images=1)
    form = "document.querySelector('#followBatchEvents form')"
    text = f"{form}.querySelector('output').innerText"
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        await page.value(f"{form}.querySelector('input[name=job_id]').value = '{job.job_id}'")
        await page.value(f"{form}.requestSubmit()")
        await page.until(f"{text}.includes('event: progress')")
        assert "job_complete" not in await page.value(text)
        await quiet.fail(job.job_id, 0)
        await page.until(f"{text}.includes('event: job_complete')")


async def test_it_leads_to_what_is_told_unasked(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        assert await page.value("document.querySelector('main a[href$=\"asyncapi.json\"]') !== null")


async def names_of_the_only_job(quiet: QuietGateway) -> list[str]:
    (summary,) = (await quiet.context.job_store.page(limit=2, cursor=None, status=None)).jobs
    job = await quiet.context.job_store.get(summary.job_id)
    return [image.original_filename for image in job.images]


async def test_a_form_is_shown_with_its_parts(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet)) as page:
        await page.until(IS_SHOWN)
        body = await page.value("document.querySelector('#createBatch').innerText")
        parts = await page.value(
            "[...document.querySelectorAll('#schema-BatchForm tr td:first-child')].map(one => one.innerText)"
        )
    assert "multipart/form-data BatchForm" in body
    assert parts == ["images", "name", "options"]


@pytest.mark.parametrize(("width", "contents_are_open"), [(1280, True), (400, False)])
async def test_its_contents_are_folded_away_on_a_narrow_screen(
    quiet: QuietGateway, tmp_path: Path, width: int, contents_are_open: bool
) -> None:
    async with opened_page(tmp_path, address(quiet), width=width) as page:
        assert await is_open(page) == contents_are_open


async def test_it_fits_a_narrow_screen(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet), width=400) as page:
        await page.until(IS_SHOWN)
        assert await page.value("document.documentElement.scrollWidth") <= 400


async def test_its_icon_can_be_shown(quiet: QuietGateway, tmp_path: Path) -> None:
    async with opened_page(tmp_path, address(quiet)) as page:
        load = "const icon = new Image(); icon.src = document.querySelector('link[rel=icon]').href; window.icon = icon"
        await page.value(load)
        await page.until("window.icon.complete")
        assert await page.value("window.icon.naturalWidth") > 0
