"""A batch's page that nobody looked at for a while shows how the batch stands, and each image once."""

from pathlib import Path

import pytest

from gateway.domain.job import Job
from tests import builders
from tests.integration.pages.conftest import EMPTY
from tests.integration.pages.test_after_a_crash import COUNT_ENDS
from tests.integration.pages.visiting import Visitor
from tests.servers.opened_page import opened_page
from tests.servers.quiet_gateway import QuietGateway
from tests.servers.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def a_job(gateway: QuietGateway) -> Job:
    return await gateway.accept(
        [builders.an_image(index, original_filename=f"{index}.jpg") for index in range(3)]
    )


async def test_a_page_that_slept_while_its_connection_was_lost_goes_on(
    quiet: QuietGateway, tmp_path: Path
) -> None:
    """As on a computer that is shut and opened again, or in a tab that a browser froze.

    It has its own browser, which shows no pictures any more after that.
    """
    job = await a_job(quiet)
    async with opened_page(tmp_path, EMPTY) as page, tcp_proxy(quiet.port) as proxy:
        visitor = Visitor(page)
        await visitor.begin()
        await visitor.visit(f"http://127.0.0.1:{proxy.port}/batches/{job.job_id}")
        await quiet.complete(job.job_id, 0)
        await visitor.until_text("#summary", "1 of 3 images tagged, 2 to go.")
        await visitor.value(COUNT_ENDS)
        await visitor.page.call("Page.setWebLifecycleState", state="frozen")
        proxy.cut()
        await quiet.complete(job.job_id, 1)
        await quiet.complete(job.job_id, 2)
        await visitor.page.call("Page.setWebLifecycleState", state="active")
        await visitor.until_text("#summary", "Done: 3 of 3 images tagged.")
        assert await visitor.value("window.ends") == {"1.jpg": 1, "2.jpg": 1}
        assert await visitor.text("#connection") == ""


async def test_who_comes_back_to_it_sees_how_it_stands_now(quiet: QuietGateway, visitor: Visitor) -> None:
    """By the browser's button, whether the browser kept the page or not."""
    job = await a_job(quiet)
    here, home = f"http://127.0.0.1:{quiet.port}/batches/{job.job_id}", f"http://127.0.0.1:{quiet.port}/"
    await visitor.visit(here)
    await visitor.until_text("#summary", "0 of 3 images tagged, 3 to go.")
    await visitor.visit(home)
    for index in range(3):
        await quiet.complete(job.job_id, index)
    await visitor.value("history.back()")
    await visitor.arrive(here)
    await visitor.until_text("#summary", "Done: 3 of 3 images tagged.")
    assert len(await visitor.texts("#images > li")) == 3
