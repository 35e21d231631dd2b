"""The page at / sends photos that are dropped or chosen, and opens the page of their batch."""

from pathlib import Path

import pytest

from gateway.intake.settings import IntakeSettings
from tests.integration.pages.visiting import CONTRASTS, PHONES, Visitor
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

pytestmark = pytest.mark.asyncio(loop_scope="package")


def home(gateway: QuietGateway) -> str:
    return f"http://127.0.0.1:{gateway.port}/"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "harbour.jpg", tmp_path / "boat.png"]
    for file, kind in zip(files, ("JPEG", "PNG"), strict=True):
        file.write_bytes(plain(kind))
    return files


async def sent(gateway: QuietGateway, visitor: Visitor) -> list[str]:
    """The names of the images of the batch whose page is open now."""
    address = await visitor.arrive(f"{home(gateway)}batches/")
    job = await gateway.context.job_store.get(address.rpartition("/")[2])
    return [image.original_filename for image in job.images]


async def test_photos_that_are_chosen_are_sent(
    quiet: QuietGateway, visitor: Visitor, photos: list[Path]
) -> None:
    await visitor.visit(home(quiet))
    await visitor.choose(photos)
    assert await sent(quiet, visitor) == ["harbour.jpg", "boat.png"]


async def test_photos_that_are_dropped_are_sent(
    quiet: QuietGateway, visitor: Visitor, photos: list[Path]
) -> None:
    await visitor.visit(home(quiet))
    await visitor.drop(photos, "#drop")
    assert await sent(quiet, visitor) == ["harbour.jpg", "boat.png"]


async def test_a_photo_that_misses_the_zone_does_not_take_the_place_of_the_page(
    quiet: QuietGateway, visitor: Visitor, photos: list[Path]
) -> None:
    await visitor.visit(home(quiet))
    await visitor.value("addEventListener('drop', (event) => (window.is_kept = event.defaultPrevented))")
    await visitor.drop(photos[:1], "h1")
    assert await visitor.value("window.is_kept")
    assert await visitor.value("location.pathname") == "/"


async def test_a_folder_is_not_taken_for_a_photo(
    quiet: QuietGateway, visitor: Visitor, tmp_path: Path
) -> None:
    await visitor.visit(home(quiet))
    await visitor.drop([tmp_path], "#drop")
    await visitor.until_text("#refusal", "There is no photo in it.")


async def test_more_photos_than_a_batch_may_have_are_not_sent(
    visitor: Visitor, photos: list[Path], tmp_path: Path
) -> None:
    async with quiet_gateway(tmp_path / "data", intake=IntakeSettings(max_images=1)) as gateway:
        await visitor.visit(home(gateway))
        await visitor.until_text("#terms", "at most 1 in a batch")
        await visitor.choose(photos)
        await visitor.until_text("#refusal", "2 photos: a batch has at most 1.")


async def test_photos_are_sent_also_before_it_is_known_how_many_may_be(
    quiet: QuietGateway, visitor: Visitor, photos: list[Path]
) -> None:
    await visitor.page.call("Fetch.enable", patterns=[{"urlPattern": "*/openapi.json"}])
    await visitor.visit(home(quiet))
    await visitor.choose(photos)
    assert await sent(quiet, visitor) == ["harbour.jpg", "boat.png"]
    await visitor.page.call("Fetch.disable")


async def test_a_photo_that_is_gone_is_named(quiet: QuietGateway, visitor: Visitor, tmp_path: Path) -> None:
    """It was moved since it was chosen, of which a browser tells as of a gateway that is away."""
    await visitor.visit(home(quiet))
    await visitor.choose([tmp_path / "gone.jpg"])
    await visitor.until_text("#refusal", "gone.jpg can't be read.")


async def test_a_refusal_is_told_in_the_gateways_words(visitor: Visitor, tmp_path: Path) -> None:
    """Also one that comes while most of the photo is still to be sent."""
    photo = tmp_path / "large.jpg"
    photo.write_bytes(plain("JPEG") + bytes(30_000_000))
    async with quiet_gateway(tmp_path / "data", intake=IntakeSettings(max_body_bytes=1_000_000)) as gateway:
        await visitor.visit(home(gateway))
        await visitor.choose([photo])
        await visitor.until_text("#refusal", "at most 1000000 are taken")
    assert await visitor.value("document.querySelector('#sending').hidden")


async def test_a_gateway_that_stops_is_waited_for_until_somebody_stops_that(
    quiet: QuietGateway, visitor: Visitor, photos: list[Path]
) -> None:
    await visitor.visit(home(quiet))
    quiet.context.background.ask_to_stop()
    await visitor.choose(photos)
    await visitor.until_text("#news", "Trying again.")
    await visitor.press("Tab")
    assert await visitor.value("document.activeElement.id") == "stop"
    await visitor.press("Enter")
    await visitor.until_text("#refusal", "Stopped.")
    await visitor.page.until("document.activeElement.id === 'photos'")


@pytest.mark.parametrize("width", PHONES)
async def test_the_word_on_a_button_is_not_broken(quiet: QuietGateway, visitor: Visitor, width: int) -> None:
    await visitor.settle(width=width)
    await visitor.visit(home(quiet))
    await visitor.value("document.querySelector('#sending').hidden = false")
    assert await visitor.value("document.querySelector('#stop').offsetHeight") == 44


async def test_it_leads_to_the_documentation(quiet: QuietGateway, visitor: Visitor) -> None:
    await visitor.visit(home(quiet))
    await visitor.value("document.querySelector('nav a').click()")
    await visitor.arrive(f"{home(quiet)}docs")


async def test_all_of_it_can_be_reached_by_keyboard(quiet: QuietGateway, visitor: Visitor) -> None:
    await visitor.visit(home(quiet))
    stops = await visitor.tab_stops()
    assert stops == [
        "photos",
        "The API, to read and to try",
        "The API as OpenAPI",
        "Its events as AsyncAPI",
        "The JavaScript client",
    ]


@pytest.mark.parametrize("key", ["Enter", " "])
async def test_photos_can_be_chosen_by_keyboard(
    quiet: QuietGateway, visitor: Visitor, photos: list[Path], key: str
) -> None:
    await visitor.visit(home(quiet))
    await visitor.page.call("Page.setInterceptFileChooserDialog", enabled=True)
    await visitor.press("Tab")
    await visitor.press(key)
    await visitor.page.until_told("Page.fileChooserOpened")


async def test_the_focus_is_seen(quiet: QuietGateway, visitor: Visitor) -> None:
    await visitor.visit(home(quiet))
    await visitor.press("Tab")
    assert await visitor.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


async def test_a_screen_reader_is_told_what_everything_is(quiet: QuietGateway, visitor: Visitor) -> None:
    await visitor.visit(home(quiet))
    heard = await visitor.heard()
    assert ("RootWebArea", "Batch gateway") in heard
    assert ("heading", "Batch gateway") in heard
    assert ("main", "") in heard
    assert ("navigation", "For programs") in heard
    assert ("link", "The API, to read and to try") in heard
    names = [name for role, name in heard if role == "button"]
    assert any("Drop photos here, or choose them" in name for name in names)
    assert {"status", "alert"} <= {role for role, _ in heard}


@pytest.mark.parametrize("width", PHONES)
async def test_it_fits_a_phone(quiet: QuietGateway, visitor: Visitor, width: int) -> None:
    await visitor.settle(width=width)
    await visitor.visit(home(quiet))
    assert await visitor.overflow() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_its_text_stands_out(quiet: QuietGateway, visitor: Visitor, scheme: str) -> None:
    await visitor.settle(prefers_color_scheme=scheme)
    await visitor.visit(home(quiet))
    assert [text for text, contrast in await visitor.value(CONTRASTS) if contrast < 4.5] == []


async def test_nothing_moves_for_who_wants_no_motion(quiet: QuietGateway, visitor: Visitor) -> None:
    await visitor.settle(prefers_reduced_motion="reduce")
    await visitor.visit(home(quiet))
    moving = (
        "[...document.querySelectorAll('*')].map(getComputedStyle)"
        ".filter(({ transitionDuration, animationName }) => transitionDuration !== '0s' || animationName !== 'none')"
    )
    assert await visitor.value(f"{moving}.length") == 0
