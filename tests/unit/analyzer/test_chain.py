"""Providers in turn: who is asked, and whose words or failure it is in the end."""

import pytest
from attrs import define, field

from gateway.analyzer.chain import Chain, open_chain
from gateway.analyzer.local.settings import LocalSettings
from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.settings import AnalyzerSettings
from gateway.analyzer.vision.settings import VisionSettings
from gateway.errors import Unavailable
from gateway.images.inspect import MAX_PIXELS
from gateway.metadata import Metadata
from gateway.processes import HelperDied, HelperProcesses, HelperTimeout
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings

CAT, DOG = Metadata("A cat"), Metadata("A dog")


@define
class Says:
    """A provider that always says the same, or fails alike."""

    outcome: Metadata | Exception
    name: str = "vision"
    asked: list[tuple[bytes, str]] = field(factory=list)

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        self.asked.append((image, file_name))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def test_the_words_of_the_first_that_finds_some_are_taken():
    second = Says(DOG)
    assert await Chain([Says(CAT), second]).describe(b"image", "cat.jpg") == CAT
    assert second.asked == []


@pytest.mark.parametrize(
    "failure", [AnalysisFailed("No."), HelperDied("It died."), HelperTimeout("It hung.")]
)
async def test_where_one_fails_the_next_is_asked_about_the_same_image(failure):
    second = Says(DOG)
    assert await Chain([Says(failure), second]).describe(b"image", "cat.jpg") == DOG
    assert second.asked == [(b"image", "cat.jpg")]


async def test_who_has_nothing_to_say_leaves_it_to_the_next():
    assert await Chain([Says(Metadata()), Says(DOG)]).describe(b"image", "cat.jpg") == DOG


async def test_when_all_fail_it_is_the_last_failure():
    providers = [
        Says(AnalysisFailed("No.", code=code)) for code in ("analysis_unavailable", "analysis_refused")
    ]
    with pytest.raises(AnalysisFailed) as caught:
        await Chain(providers).describe(b"image", "cat.jpg")
    assert caught.value.code == "analysis_refused"


async def test_a_service_that_stops_asks_nobody_else():
    second = Says(DOG)
    with pytest.raises(Unavailable):
        await Chain([Says(Unavailable("The service is stopping.")), second]).describe(b"image", "cat.jpg")
    assert second.asked == []


async def test_providers_are_opened_in_the_order_of_the_settings():
    helpers = HelperProcesses()
    analyzer = AnalyzerSettings(providers=("local", "vision"))
    settings = analyzer, VisionSettings(api_key="sk-or-v1-secret"), LocalSettings(see=False, place=False)
    async with open_chain(*settings, helpers, MAX_PIXELS, Metrics(MetricsSettings())) as chain:
        assert [provider.name for provider in chain.providers] == ["local", "vision"]
    await helpers.close()
