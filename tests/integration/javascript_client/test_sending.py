"""The JavaScript client sends batches: what it takes, how often it tries, and what it makes of a no."""

from typing import Any

import pytest

from tests.free_ports import free_port
from tests.servers.browser import Page
from tests.servers.quiet_gateway import QuietGateway
from tests.servers.scripted_doors import Refusal, Taken, scripted_doors

pytestmark = pytest.mark.asyncio(loop_scope="package")

SUBMIT = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
const chosen = document.querySelector("input").files;
const waits = [];
const onWait = (reason, pauseS) => waits.push({{ name: reason.name, status: reason.status, pauseS }});
let job, error;
try {{
  job = await new BatchClient().submit({images}, {{ onWait, {options} }});
}} catch (caught) {{
  const {{ name, status, code, errors, message }} = caught;
  error = {{ name, status, code, errors, message }};
}}
console.log({{ job, error, waits }});
"""


async def submitted(page: Page, base_url: str, images: str = "chosen", options: str = "") -> dict[str, Any]:
    """The job or the error, and why it waited between."""
    (told,) = await page.run(SUBMIT.format(base_url=base_url, images=images, options=options))
    outcome: dict[str, Any] = told
    return outcome


def address(gateway: QuietGateway) -> str:
    return f"http://127.0.0.1:{gateway.port}"


async def images_of(gateway: QuietGateway, told: dict[str, Any]) -> list[dict[str, Any]]:
    assert "error" not in told
    async with gateway.http.get(f"/api/v1/batch/{told['job']['job_id']}") as answer:
        images: list[dict[str, Any]] = (await answer.json())["images"]
    return images


async def test_files_go_as_they_were_chosen(page: Page, quiet: QuietGateway) -> None:
    images = await images_of(quiet, await submitted(page, address(quiet)))
    assert [(image["original_filename"], image["status"]) for image in images] == [
        ("a.jpg", "pending"),
        ("b.png", "pending"),
    ]


async def test_blobs_have_the_names_that_they_are_given(page: Page, quiet: QuietGateway) -> None:
    sources = "[{ blob: chosen[0], name: 'harbour.jpg' }, new Blob([chosen[1]])]"
    images = await images_of(quiet, await submitted(page, address(quiet), sources))
    assert [image["original_filename"] for image in images] == ["harbour.jpg", "image-1"]


async def test_urls_go_beside_files(page: Page, quiet: QuietGateway) -> None:
    sources = (
        "['https://example.com/a.jpg', new URL('https://example.com/b.jpg'),"
        " { url: 'https://example.com/c.jpg', name: 'third.jpg' }, chosen[0]]"
    )
    images = await images_of(quiet, await submitted(page, address(quiet), sources))
    assert [image["original_filename"] for image in images] == ["a.jpg", "b.jpg", "third.jpg", "a.jpg"]
    assert "sha256" in images[3]


async def test_a_large_file_is_the_same_as_base64(page: Page, quiet: QuietGateway) -> None:
    """It is put together of pieces."""
    padded = "new Blob([chosen[0], new Uint8Array(300_001).fill(7)])"
    alone = await images_of(quiet, await submitted(page, address(quiet), f"[{padded}]"))
    beside = await images_of(
        quiet, await submitted(page, address(quiet), f"[{{ blob: {padded} }}, 'https://example.com/a.jpg']")
    )
    assert beside[0]["sha256"] == alone[0]["sha256"]


async def test_a_file_beside_urls_that_cannot_be_read_is_named(page: Page, quiet: QuietGateway) -> None:
    gone = "arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotFoundError'))"
    sources = f"[Object.assign(new File(['x'], 'gone.jpg'), {{ {gone} }}), 'https://example.com/a.jpg']"
    error = (await submitted(page, address(quiet), sources))["error"]
    assert (error["name"], error["message"]) == ("Unreadable", "gone.jpg can't be read.")


@pytest.mark.parametrize(
    "sources", ["chosen", "[chosen[0], 'https://example.com/a.jpg']"], ids=["form", "json"]
)
async def test_options_go_along(page: Page, quiet: QuietGateway, sources: str) -> None:
    told = await submitted(page, address(quiet), sources, "metadata: { title: 'keep' }")
    async with quiet.http.get(f"/api/v1/batch/{told['job']['job_id']}") as answer:
        assert (await answer.json())["options"] == {"metadata": {"title": "keep"}}


async def test_a_refusal_tells_each_fault(page: Page, quiet: QuietGateway) -> None:
    told = await submitted(page, address(quiet), "[new Blob(['no image'])]", "strict: true")
    error = told["error"]
    assert (error["name"], error["status"], error["code"]) == ("Refused", 422, "content_refused")
    assert [fault["pointer"] for fault in error["errors"]] == ["/images/0"]
    assert error["message"].startswith("1 of 1 images")


async def test_one_key_makes_one_job(page: Page, quiet: QuietGateway) -> None:
    first, second = [
        await submitted(page, address(quiet), options="idempotencyKey: 'mine'") for _ in range(2)
    ]
    assert first["job"] == second["job"]


async def test_a_key_may_be_any_text(page: Page) -> None:
    async with scripted_doors(answers=[Taken("job")]) as gateway:
        await submitted(page, gateway.base_url, options=r"""idempotencyKey: 'a "b" \\ c'""")
    assert gateway.keys == [r'"a \"b\" \\ c"']


async def test_two_calls_make_two_jobs(page: Page, quiet: QuietGateway) -> None:
    first, second = [await submitted(page, address(quiet)) for _ in range(2)]
    assert first["job"]["job_id"] != second["job"]["job_id"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "too_many"), (503, "busy"), (502, "proxy"), (504, "proxy"), (409, "request_in_flight")],
)
async def test_it_is_sent_again_under_the_same_key(page: Page, status: int, code: str) -> None:
    async with scripted_doors(answers=[Refusal(status, code), Taken("job")]) as gateway:
        told = await submitted(page, gateway.base_url)
    assert told["job"]["job_id"] == "job"
    first, second = gateway.keys
    assert first == second


async def test_it_waits_as_long_as_the_gateway_says(page: Page) -> None:
    refusal = Refusal(503, "busy", {"Retry-After": "1"})
    async with scripted_doors(answers=[refusal, Taken("job")]) as gateway:
        (wait,) = (await submitted(page, gateway.base_url))["waits"]
    assert (wait["name"], wait["status"]) == ("Refused", 503)
    assert 1 <= wait["pauseS"] <= 1.7


async def test_an_answer_that_is_lost_is_asked_for_again(page: Page) -> None:
    async with scripted_doors(answers=[Taken("job", is_lost=True), Taken("job")]) as gateway:
        told = await submitted(page, gateway.base_url)
    assert told["job"]["job_id"] == "job"
    assert len(set(gateway.keys)) == 1


async def test_it_gives_up_when_its_patience_is_over(page: Page) -> None:
    async with scripted_doors(answers=[Refusal(503, "busy", {"Retry-After": "60"})]) as gateway:
        told = await submitted(page, gateway.base_url, options="patienceS: 5")
    assert (told["error"]["code"], told["waits"]) == ("busy", [])


@pytest.mark.parametrize(
    ("status", "code"), [(400, "too_many_images"), (409, "job_retired"), (500, "internal")]
)
async def test_a_no_for_good_is_not_asked_twice(page: Page, status: int, code: str) -> None:
    async with scripted_doors(answers=[Refusal(status, code)]) as gateway:
        told = await submitted(page, gateway.base_url)
    assert (told["error"]["status"], told["error"]["code"], told["waits"]) == (status, code, [])


async def test_an_abort_ends_the_wait(page: Page) -> None:
    async with scripted_doors(answers=[Refusal(503, "busy", {"Retry-After": "30"})]) as gateway:
        told = await submitted(page, gateway.base_url, options="signal: AbortSignal.timeout(100)")
    assert told["error"]["name"] == "TimeoutError"


STATUS = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
console.log(await new BatchClient().status("{job_id}").catch(({{ name, status, code }}) => ({{ name, status, code }})));
"""


async def test_a_status_is_the_gateways_own(page: Page, quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    (told,) = await page.run(STATUS.format(base_url=address(quiet), job_id=job.job_id))
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}") as answer:
        assert told == await answer.json()


@pytest.mark.parametrize("job_id", ["550e8400-e29b-41d4-a716-446655440000", "a/b?c#d"])
async def test_the_status_of_no_job_is_refused(page: Page, quiet: QuietGateway, job_id: str) -> None:
    (told,) = await page.run(STATUS.format(base_url=address(quiet), job_id=job_id))
    assert told == {"name": "Refused", "status": 404, "code": "job_not_found"}


async def test_nobody_at_the_address_is_unreachable(page: Page) -> None:
    async with scripted_doors() as gateway:
        base_url = gateway.base_url
        client = f'const {{ BatchClient }} = await import("{base_url}/static/batch.js");'
        away = f"new BatchClient('http://127.0.0.1:{free_port()}').status('x')"
        assert await page.run(f"{client} await {away}.catch(({{ name }}) => console.log(name))") == [
            "Unreachable"
        ]


@pytest.mark.parametrize(
    ("base_url", "shown"),
    [
        ("https://example.com", "https://example.com/api/v1/batch/job/images/0/processed"),
        ("https://example.com/photos", "https://example.com/photos/api/v1/batch/job/images/0/processed"),
        ("https://example.com/photos/", "https://example.com/photos/api/v1/batch/job/images/0/processed"),
    ],
)
async def test_a_gateway_may_lie_below_a_path(page: Page, base_url: str, shown: str) -> None:
    async with scripted_doors() as gateway:
        script = (
            f'const {{ BatchClient }} = await import("{gateway.base_url}/static/batch.js");'
            f'console.log(new BatchClient("{base_url}").imageUrl("job", 0));'
        )
        assert await page.run(script) == [shown]


async def test_who_has_a_copy_and_names_no_gateway_is_told_so(page: Page) -> None:
    """As in Node.js, whose modules come from files."""
    async with scripted_doors() as gateway:
        script = (
            f'const {{ BatchClient }} = await import("{gateway.base_url}/static/batch.js");'
            'try { new BatchClient("file:///home/batch.mjs"); } catch ({ message }) { console.log(message); }'
        )
        assert await page.run(script) == ["no address of a gateway, http://... or https://..."]
