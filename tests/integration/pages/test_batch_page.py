"""The page of a batch shows how far it is, and each image with its words or its error, while they come."""

from pathlib import Path
from typing import Final

import pytest

from gateway.domain import transitions
from gateway.domain.events import Change
from gateway.domain.job import Failure, Job
from gateway.metadata import Metadata
from gateway.settings import HttpSettings
from tests import builders
from tests.integration.pages.visiting import CONTRASTS, PHONES, Visitor
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.tcp_proxy import tcp_proxy
from tests.submitting import submit_files

pytestmark = pytest.mark.asyncio(loop_scope="package")

MARKUP: Final = "<img src=x onerror=\"window.markup = 'ran'\"><script>window.markup = 'ran'</script>"
LONG: Final = "w" * 300
STATES: Final = "#images .place"
"""In place of a picture."""


def address(gateway: QuietGateway, job_id: str) -> str:
    return f"http://127.0.0.1:{gateway.port}/batches/{job_id}"


async def shown(gateway: QuietGateway, visitor: Visitor, job: Job) -> None:
    """The job's page, with its images."""
    await visitor.visit(address(gateway, job.job_id))
    await visitor.page.until(f"document.querySelectorAll('#images > li').length === {len(job.images)}")


async def an_ended_job(gateway: QuietGateway, *, name: str = "photo.jpg", words: str = "Harbour") -> Job:
    """Of one completed and one failed image, whose texts are those."""
    images = [builders.an_image(index, original_filename=name) for index in range(2)]
    job = await gateway.accept(images)
    await complete(gateway, job, 0, Metadata(words, words, (words,)))
    failure = Failure("analysis_failed", words)
    return await gateway.change(job.job_id, lambda job: transitions.fail(job, 1, failure, builders.NOW))


async def complete(gateway: QuietGateway, job: Job, index: int, metadata: Metadata | None = None) -> None:
    """With a copy in the object store."""
    ended = await gateway.change(
        job.job_id, lambda job: completed(job, index, metadata or builders.some_metadata())
    )
    key = ended.images[index].processed_path
    assert key is not None
    await gateway.put_processed(key, plain("JPEG"))


def completed(job: Job, index: int, metadata: Metadata) -> Change | None:
    name = builders.attempt_of(job, index)
    return transitions.attempt_completed(job, name, f"{name}/photo.jpg", metadata, builders.NOW)


async def test_it_goes_along_with_the_work(quiet: QuietGateway, visitor: Visitor) -> None:
    job = await quiet.accept(images=3)
    await shown(quiet, visitor, job)
    assert await visitor.text("#summary") == "0 of 3 images tagged, 3 to go."
    await complete(quiet, job, 0)
    await visitor.until_text("#summary", "1 of 3 images tagged, 2 to go.")
    await quiet.fail(job.job_id, 1)
    await visitor.until_text("#summary", "1 of 3 images tagged, 1 failed, 1 to go.")
    assert await visitor.texts(STATES) == ["Failed", "Waiting"]
    await complete(quiet, job, 2)
    await visitor.until_text("#summary", "Done: 2 of 3 images tagged, 1 failed.")
    assert await visitor.value("document.querySelector('progress').value") == 100


async def test_it_follows_by_websocket_also_where_origins_of_others_are_listed(
    visitor: Visitor, tmp_path: Path
) -> None:
    http = HttpSettings(cors_origins=("https://app.example.com",))
    async with quiet_gateway(tmp_path, http=http) as gateway:
        job = await gateway.accept(images=2)
        await shown(gateway, visitor, job)
        await gateway.fail(job.job_id, 0)
        await visitor.until_text("#summary", "0 of 2 images tagged, 1 failed, 1 to go.")
        registry = gateway.context.metrics.instruments.registry
        assert registry.get_sample_value("gateway_subscribers", {"door": "websocket"}) == 1
        await visitor.visit("about:blank")


async def test_a_tagged_image_is_shown_with_its_words(quiet: QuietGateway, visitor: Visitor) -> None:
    job = await quiet.accept(images=1)
    await shown(quiet, visitor, job)
    await complete(quiet, job, 0, Metadata("Harbour", "Boats at dawn", ("boat", "dawn")))
    await visitor.until_text("#images", "Boats at dawn")
    assert await visitor.texts("#images .keywords li") == ["boat", "dawn"]
    await visitor.page.until("document.querySelector('#images img').naturalWidth > 0")
    assert await visitor.value("document.querySelector('#images img').alt") == "Harbour"


async def test_a_tagged_copy_can_be_saved_and_no_other(quiet: QuietGateway, visitor: Visitor) -> None:
    job = await an_ended_job(quiet)
    await shown(quiet, visitor, job)
    saved = "[...document.querySelectorAll('#images a[download]')].map(({ pathname }) => pathname)"
    assert await visitor.value(saved) == [f"/api/v1/batch/{job.job_id}/images/0/processed"]


async def test_nothing_moves_when_a_picture_comes(quiet: QuietGateway, visitor: Visitor) -> None:
    job = await quiet.accept(images=1)
    await shown(quiet, visitor, job)
    name_at = "document.querySelector('#images h3').getBoundingClientRect().top"
    before = await visitor.value(name_at)
    await complete(quiet, job, 0)
    await visitor.page.until("document.querySelector('#images img')?.naturalWidth > 0")
    assert await visitor.value(name_at) == before


async def test_how_far_it_is_stays_in_sight(quiet: QuietGateway, visitor: Visitor) -> None:
    await shown(quiet, visitor, await quiet.accept(images=100))
    await visitor.value("document.querySelector('#images > li:last-child').scrollIntoView()")
    await visitor.page.until("scrollY > 1000")
    assert await visitor.value("document.querySelector('#standing').getBoundingClientRect().top") == 0


async def test_a_failed_image_is_shown_with_its_error(quiet: QuietGateway, visitor: Visitor) -> None:
    job = await quiet.accept(images=1)
    await shown(quiet, visitor, job)
    await quiet.fail(job.job_id, 0)
    await visitor.until_text("#images", builders.a_failure().error)


async def test_a_batch_that_ended_before_is_shown_as_well(quiet: QuietGateway, visitor: Visitor) -> None:
    await shown(quiet, visitor, await an_ended_job(quiet))
    await visitor.until_text("#summary", "Done: 1 of 2 images tagged, 1 failed.")
    assert await visitor.texts(STATES) == ["Failed"]


@pytest.mark.parametrize("job_id", ["550e8400-e29b-41d4-a716-446655440000", "no-id", "%3Cb%3E", "a%2Fb", "%"])
async def test_a_batch_that_is_unknown_is_told_of(quiet: QuietGateway, visitor: Visitor, job_id: str) -> None:
    await visitor.visit(address(quiet, job_id))
    await visitor.until_text("h1", "No such batch")
    assert await visitor.value("document.title") == "No such batch"


async def test_a_batch_that_is_deleted_meanwhile_is_told_of(quiet: QuietGateway, visitor: Visitor) -> None:
    job = await quiet.accept(images=1)
    await shown(quiet, visitor, job)
    await quiet.ledger.delete(job.job_id)
    await visitor.until_text("h1", "No such batch")
    assert await visitor.texts("#images > li") == []


async def test_names_words_and_errors_stay_text(quiet: QuietGateway, visitor: Visitor) -> None:
    await shown(quiet, visitor, await an_ended_job(quiet, name=MARKUP, words=MARKUP))
    await visitor.until_text("#summary", "Done")
    assert await visitor.texts("#images h3") == [MARKUP, MARKUP]
    assert (await visitor.text("#images")).count(MARKUP) == 6
    assert await visitor.value("[...document.querySelectorAll('#images img')].map((one) => one.alt)") == [
        MARKUP
    ]
    assert await visitor.value("document.querySelectorAll('#images script, #images [src=x]').length") == 0
    assert await visitor.value("window.markup ?? 'did not run'") == "did not run"


@pytest.mark.parametrize("width", PHONES)
async def test_it_fits_a_phone_whatever_the_names(quiet: QuietGateway, visitor: Visitor, width: int) -> None:
    await visitor.settle(width=width)
    await shown(quiet, visitor, await an_ended_job(quiet, name=LONG, words=LONG))
    await visitor.until_text("#summary", "Done")
    assert await visitor.overflow() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_its_text_stands_out(quiet: QuietGateway, visitor: Visitor, scheme: str) -> None:
    await visitor.settle(prefers_color_scheme=scheme)
    await shown(quiet, visitor, await an_ended_job(quiet))
    contrasts = await visitor.value(CONTRASTS)
    assert "Failed" in [text for text, _ in contrasts]
    assert [text for text, contrast in contrasts if contrast < 4.5] == []


async def test_all_of_it_can_be_reached_by_keyboard(quiet: QuietGateway, visitor: Visitor) -> None:
    job = await an_ended_job(quiet)
    await shown(quiet, visitor, job)
    await visitor.page.until("document.querySelector('#images img').naturalWidth > 0")
    assert (await visitor.tab_stops())[:2] == ["Send more photos", "retry"]
    await visitor.value("document.querySelector('#retry').focus()")
    await visitor.press("Tab")
    copy = f"/api/v1/batch/{job.job_id}/images/0/processed"
    assert await visitor.value("new URL(document.activeElement.href).pathname") == copy


async def test_a_screen_reader_is_told_what_everything_is(quiet: QuietGateway, visitor: Visitor) -> None:
    await shown(quiet, visitor, await an_ended_job(quiet, name="a.jpg", words="Harbour"))
    await visitor.until_text("#summary", "Done")
    heard = await visitor.heard()
    assert [entry for entry in heard if entry[0] == "heading"] == [
        ("heading", "Batch"),
        ("heading", "Images"),
        ("heading", "a.jpg"),
        ("heading", "a.jpg"),
    ]
    assert {
        ("main", ""),
        ("progressbar", "Images that have ended"),
        ("list", "Images"),
        ("list", "Keywords"),
        ("link", "Harbour"),
        ("link", "Save a.jpg"),
        ("link", "Send more photos"),
    } <= set(heard)


async def test_it_speaks_of_quarters_and_of_the_end_not_of_each_image(
    quiet: QuietGateway, visitor: Visitor
) -> None:
    job = await quiet.accept(images=10)
    await shown(quiet, visitor, job)
    await visitor.value("""
        window.spoken = [];
        new MutationObserver(() => spoken.push(document.querySelector("#announced").textContent))
          .observe(document.querySelector("#announced"), { childList: true, characterData: true, subtree: true });
    """)
    for index in range(10):
        await quiet.fail(job.job_id, index)
        await visitor.page.until(f"document.querySelectorAll('#images .wrong').length === {index + 1}")
    await visitor.until_text("#summary", "Done")
    assert await visitor.value("window.spoken") == [
        "25 percent done.",
        "50 percent done.",
        "75 percent done.",
        "Done: 0 of 10 images tagged, 10 failed.",
    ]


class TestAnotherTry:
    """Of failed images, once the batch has ended."""

    BUTTON: Final = "document.querySelector('#retry')"

    async def an_ended_batch(self, gateway: QuietGateway, *, images: int = 2) -> str:
        """All of whose images were in work, and failed."""
        photos = [(f"{index}.jpg", plain("JPEG")) for index in range(images)]
        job_id = await submit_files(gateway.http, "", photos)
        for index in range(images):
            await gateway.publish(job_id, index)
            await gateway.fail(job_id, index)
        return job_id

    async def test_is_a_new_batch_whose_page_opens(self, quiet: QuietGateway, visitor: Visitor) -> None:
        job_id = await self.an_ended_batch(quiet)
        await visitor.visit(address(quiet, job_id))
        await visitor.page.until(f"{self.BUTTON}.checkVisibility()")
        await visitor.value(f"{self.BUTTON}.click()")
        await visitor.page.until(f"!location.pathname.includes('{job_id}')")
        await visitor.until_text("#summary", "0 of 2 images tagged, 2 to go.")
        new_job = await quiet.context.job_store.get(await visitor.text("#job"))
        assert new_job.retry_of == job_id

    async def test_can_be_had_by_keyboard(self, quiet: QuietGateway, visitor: Visitor) -> None:
        job_id = await self.an_ended_batch(quiet)
        await visitor.visit(address(quiet, job_id))
        await visitor.page.until(f"{self.BUTTON}.checkVisibility()")
        await visitor.value(f"{self.BUTTON}.focus()")
        await visitor.press("Enter")
        await visitor.page.until(f"!location.pathname.includes('{job_id}')")

    async def test_is_a_button_to_a_screen_reader(self, quiet: QuietGateway, visitor: Visitor) -> None:
        await visitor.visit(address(quiet, await self.an_ended_batch(quiet)))
        await visitor.page.until(f"{self.BUTTON}.checkVisibility()")
        heard = await visitor.heard()
        assert ("button", "Try the failed images again") in heard
        assert "alert" in {role for role, _ in heard}

    async def test_that_is_refused_is_told_in_the_gateways_words(
        self, quiet: QuietGateway, visitor: Visitor
    ) -> None:
        """Nothing was kept of them."""
        job = await quiet.accept(images=1)
        await quiet.publish(job.job_id, 0)
        await quiet.fail(job.job_id, 0)
        await visitor.visit(address(quiet, job.job_id))
        await visitor.page.until(f"{self.BUTTON}.checkVisibility()")
        await visitor.value(f"{self.BUTTON}.click()")
        await visitor.until_text("#refusal", "can't be tried again")
        assert job.job_id in await visitor.value("location.pathname")

    async def test_is_not_offered_before_the_end(self, quiet: QuietGateway, visitor: Visitor) -> None:
        job = await quiet.accept(images=2)
        await quiet.publish(job.job_id, 0)
        await quiet.fail(job.job_id, 0)
        await shown(quiet, visitor, job)
        assert not await visitor.value(f"{self.BUTTON}.checkVisibility()")

    async def test_is_not_offered_for_what_was_refused_at_once(
        self, quiet: QuietGateway, visitor: Visitor
    ) -> None:
        await visitor.visit(address(quiet, await submit_files(quiet.http, "", [("notes.txt", b"text")])))
        await visitor.until_text("#summary", "Done")
        assert not await visitor.value(f"{self.BUTTON}.checkVisibility()")


class TestPictures:
    """Each is a whole photo, of perhaps ten megabytes."""

    FETCHED: Final = (
        "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/processed'))"
    )

    async def a_hundred(self, gateway: QuietGateway, visitor: Visitor) -> None:
        job = await gateway.accept(images=100)
        for index in range(100):
            await complete(gateway, job, index)
        await shown(gateway, visitor, job)
        await visitor.page.until(f"{self.FETCHED}.length > 0")

    async def seen(self, visitor: Visitor) -> int:
        """How many lie on the screen."""
        in_sight = "({ top, bottom }) => bottom > 0 && top < innerHeight"
        pictures = "[...document.querySelectorAll('#images img')].map((one) => one.getBoundingClientRect())"
        return int(await visitor.value(f"{pictures}.filter({in_sight}).length"))

    async def test_that_are_not_seen_are_not_fetched(self, quiet: QuietGateway, visitor: Visitor) -> None:
        await self.a_hundred(quiet, visitor)
        seen = await self.seen(visitor)
        await visitor.page.until(f"[...document.images].filter((one) => one.naturalWidth).length === {seen}")
        assert await visitor.value(f"{self.FETCHED}.length") == seen < 30

    async def test_are_fetched_when_somebody_comes_to_them(
        self, quiet: QuietGateway, visitor: Visitor
    ) -> None:
        await self.a_hundred(quiet, visitor)
        await visitor.value("document.querySelector('#images > li:last-child').scrollIntoView()")
        await visitor.page.until("document.querySelector('#images > li:last-child img').naturalWidth > 0")
        assert await visitor.value(f"{self.FETCHED}.length") < 60

    async def test_are_fetched_a_few_at_a_time(self, quiet: QuietGateway, visitor: Visitor) -> None:
        await self.a_hundred(quiet, visitor)
        await visitor.page.until(f"{self.FETCHED}.length === {await self.seen(visitor)}")
        at_once = (
            f"Math.max(...{self.FETCHED}.map(({{ startTime: at }}) =>"
            f"{self.FETCHED}.filter((one) => one.startTime <= at && at < one.responseEnd).length))"
        )
        assert 1 <= await visitor.value(at_once) <= 4

    async def test_that_are_not_there_yet_are_asked_for_again(
        self, quiet: QuietGateway, visitor: Visitor
    ) -> None:
        job = await quiet.accept(images=1)
        ended = await quiet.complete(job.job_id, 0)
        await shown(quiet, visitor, job)
        await visitor.page.until(f"{self.FETCHED}.length > 0")
        key = ended.images[0].processed_path
        assert key is not None
        await quiet.put_processed(key, plain("JPEG"))
        await visitor.page.until("document.querySelector('#images img').naturalWidth > 0")

    async def test_that_could_not_be_had_are_asked_for_again_once_the_gateway_is_back(
        self, quiet: QuietGateway, visitor: Visitor
    ) -> None:
        job = await quiet.accept(images=2)
        ended = await quiet.complete(job.job_id, 0)
        async with tcp_proxy(quiet.port) as proxy:
            await visitor.visit(f"http://127.0.0.1:{proxy.port}/batches/{job.job_id}")
            await visitor.page.until(f"{self.FETCHED}.length === 3")
            key = ended.images[0].processed_path
            assert key is not None
            await quiet.put_processed(key, plain("JPEG"))
            proxy.cut()
            await visitor.page.until("document.querySelector('#images img').naturalWidth > 0")
