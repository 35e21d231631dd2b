"""What a client asks for with a batch: every way to say it, what is shown of it, and what is refused."""

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.analyzer.settings import AnalyzerSettings
from gateway.jobs.settings import JobsSettings
from gateway.metadata import POLICY_FIELDS, FieldPolicy, MetadataPolicy
from gateway.processor.settings import ProcessorSettings
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

BATCH = "/api/v1/batch"
JPEG = plain("JPEG")
SAID = {"metadata": {"title": "keep", "keywords": "replace"}}
A_URL = {"url": "https://example.com/a.jpg"}


def raw(options: Any) -> dict[str, Any]:
    return {
        "params": {"options": json.dumps(options)},
        "data": JPEG,
        "headers": {"Content-Type": "image/jpeg"},
    }


def in_json(options: Any) -> dict[str, Any]:
    return {"json": {"images": [A_URL], "options": options}}


def beside_json(options: Any) -> dict[str, Any]:
    return {"params": {"options": json.dumps(options)}, "json": {"images": [A_URL]}}


def part_before(options: Any) -> dict[str, Any]:
    return {"data": a_form(options, "image")}


def part_behind(options: Any) -> dict[str, Any]:
    return {"data": a_form("image", options)}


def a_form(*parts: Any) -> aiohttp.FormData:
    """Each part an image, or options."""
    form = aiohttp.FormData(default_to_multipart=True)
    for part in parts:
        if part == "image":
            form.add_field("images", io.BytesIO(JPEG), filename="a.jpg")
        else:
            form.add_field("options", json.dumps(part))
    return form


Way = Callable[[Any], dict[str, Any]]
WAYS: tuple[Way, ...] = (raw, in_json, beside_json, part_before, part_behind)
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


async def post(quiet: QuietGateway, **request: Any) -> tuple[int, Any]:
    async with quiet.http.post(BATCH, **request) as answer:
        return answer.status, await answer.json(content_type=None)


async def get(quiet: QuietGateway, path: str) -> Any:
    async with quiet.http.get(path) as answer:
        return await answer.json()


async def assert_nothing_is_kept(quiet: QuietGateway) -> None:
    assert (await get(quiet, BATCH))["total"] == 0
    assert quiet.stored_files() == []


@ways
async def test_what_was_said_is_shown_with_the_job_and_kept_with_it(quiet: QuietGateway, way: Way) -> None:
    status, created = await post(quiet, **way(SAID))
    assert status == 201
    job_id = created["job_id"]
    assert (await get(quiet, f"{BATCH}/{job_id}"))["options"] == SAID
    (listed,) = (await get(quiet, f"{BATCH}?images=true"))["jobs"]
    assert listed["options"] == SAID
    kept = await quiet.context.job_store.get(job_id)
    assert kept.options.metadata == MetadataPolicy(title=FieldPolicy.KEEP, keywords=FieldPolicy.REPLACE)


@ways
@pytest.mark.parametrize("nothing", [{}, {"metadata": {}}], ids=str)
async def test_where_nothing_was_said_nothing_is_shown(quiet: QuietGateway, way: Way, nothing: Any) -> None:
    status, created = await post(quiet, **way(nothing))
    assert status == 201
    assert "options" not in await get(quiet, f"{BATCH}/{created['job_id']}")


async def test_a_list_without_images_shows_no_options(quiet: QuietGateway) -> None:
    await post(quiet, **in_json(SAID))
    (listed,) = (await get(quiet, BATCH))["jobs"]
    assert "options" not in listed


@pytest.mark.parametrize("field", POLICY_FIELDS)
@pytest.mark.parametrize("word", FieldPolicy)
async def test_each_word_is_taken_for_each_field(quiet: QuietGateway, field: str, word: str) -> None:
    said = {"metadata": {field: word}}
    _, created = await post(quiet, **in_json(said))
    assert (await get(quiet, f"{BATCH}/{created['job_id']}"))["options"] == said


@ways
@pytest.mark.parametrize(
    ("options", "pointer", "code"),
    [
        ({"metadata": {"title": "shout"}}, "/options/metadata/title", "bad_option"),
        ({"metadata": {"title": 1}}, "/options/metadata/title", "wrong_type"),
        ({"metadata": {"caption": "keep"}}, "/options/metadata/caption", "unknown_field"),
        ({"metadata": []}, "/options/metadata", "wrong_type"),
        ({"priority": 1}, "/options/priority", "unknown_field"),
        ([], "/options", "wrong_type"),
    ],
    ids=str,
)
async def test_a_fault_is_400_with_its_place_and_nothing_is_kept(
    quiet: QuietGateway, way: Way, options: Any, pointer: str, code: str
) -> None:
    status, problem = await post(quiet, **way(options))
    assert (status, problem["code"]) == (400, code)
    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [(pointer, code)]
    await assert_nothing_is_kept(quiet)


TWICE: Mapping[str, Callable[[], dict[str, Any]]] = {
    "two parts": lambda: {"data": a_form(SAID, "image", {})},
    "two parameters": lambda: raw({}) | {"params": [("options", json.dumps(said)) for said in ({}, SAID)]},
    "query and part": lambda: {**raw({}), **part_behind(SAID), "headers": {}},
    "query and JSON": lambda: beside_json(SAID) | in_json(SAID),
}


@pytest.mark.parametrize("name", TWICE)
async def test_options_that_are_given_twice_are_refused_and_nothing_is_kept(
    quiet: QuietGateway, name: str
) -> None:
    status, problem = await post(quiet, **TWICE[name]())
    assert (status, problem["code"]) == (400, "options_twice")
    await assert_nothing_is_kept(quiet)


async def test_a_query_that_is_no_json_is_refused(quiet: QuietGateway) -> None:
    status, problem = await post(quiet, **(raw({}) | {"params": {"options": "keep"}}))
    assert (status, problem["code"]) == (400, "not_json")
    assert problem["detail"].startswith("The parameter options is not JSON: ")


class TestBesideServicesThatDropThem:
    """As the existing ones do, and as a gateway takes them to do that has not been told better."""

    @pytest.fixture(
        params=[
            {"analyzer": AnalyzerSettings(kind="external")},
            {"processor": ProcessorSettings(kind="external")},
            {"jobs": JobsSettings(metadata_options="refused")},
        ],
        ids=["analyzer beside", "processor beside", "refused by setting"],
    )
    async def beside(self, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[QuietGateway]:
        async with quiet_gateway(tmp_path, **request.param) as gateway:
            yield gateway

    @ways
    async def test_they_are_refused_with_the_reason_and_nothing_is_kept(
        self, beside: QuietGateway, way: Way
    ) -> None:
        status, problem = await post(beside, **way(SAID))
        assert (status, problem["code"]) == (400, "metadata_options_refused")
        (fault,) = problem["errors"]
        assert (fault["pointer"], fault["code"]) == ("/options/metadata", "metadata_options_refused")
        assert "jobs.metadata_options" in fault["detail"]
        await assert_nothing_is_kept(beside)

    @ways
    async def test_options_that_say_nothing_are_taken(self, beside: QuietGateway, way: Way) -> None:
        status, _ = await post(beside, **way({"metadata": {}}))
        assert status == 201


async def test_they_are_taken_beside_services_that_are_said_to_know_them(tmp_path: Path) -> None:
    sections = {
        "analyzer": AnalyzerSettings(kind="external"),
        "processor": ProcessorSettings(kind="external"),
        "jobs": JobsSettings(metadata_options="allowed"),
    }
    async with quiet_gateway(tmp_path, **sections) as gateway:
        status, _ = await post(gateway, **in_json(SAID))
    assert status == 201


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("option", "options"),
        ("metadata", "options"),
        ("Options", "options"),
        ("stric", "strict"),
        ("colour", None),
        ("t", None),
    ],
)
async def test_a_misspelt_parameter_is_400_and_any_other_is_ignored(
    quiet: QuietGateway, name: str, meant: str | None
) -> None:
    """Else the photos would be tagged in another way than was asked for."""
    status, answer = await post(quiet, **raw({}) | {"params": [(name, json.dumps(SAID))]})
    if meant is None:
        assert status == 201
        return
    assert (status, answer["code"]) == (400, "unknown_parameter")
    assert answer["detail"] == f"There is no parameter {name!r} here, but there is {meant}."
    await assert_nothing_is_kept(quiet)
