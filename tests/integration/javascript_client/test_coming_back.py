"""The JavaScript client comes back by itself: when, from where on, how soon, and when it does not."""

import pytest

from gateway.api.live.close_codes import CATALOGUE
from tests.integration.javascript_client.clocks import drawn, timers_kept
from tests.integration.javascript_client.following import (
    followed,
    image_complete,
    job_complete,
    opening,
    progress,
)
from tests.servers.browser import Page
from tests.servers.scripted_doors import CUT, SILENCE, Blocked, Refusal, Step, Stream, Visit, scripted_doors

pytestmark = pytest.mark.asyncio(loop_scope="package")

COMES_BACK = (1011, 1012, 3000, 4000, 4499, CUT)
STAYS_AWAY = (1000, 1002, 1003, 1007, 1008, 1009, 1010, 4501, 4999)

FIRST = opening(1, resumed=False), image_complete(2, 0)
"""What the first connection brings in most of these tests."""
REST = opening(2, resumed=True), image_complete(3, 1), job_complete(4)
ALL = ["progress e:1", "image_complete e:2", "image_complete e:3", "job_complete e:4"]


@pytest.mark.parametrize("close", COMES_BACK)
async def test_it_goes_on_behind_the_last_event(page: Page, close: int) -> None:
    async with scripted_doors(Visit(FIRST, close), Visit(REST)) as gateway:
        told = await followed(page, gateway.base_url)
    assert (told["events"], gateway.afters) == (ALL, ["", "e:2"])
    assert [(wait["name"], wait["code"]) for wait in told["waits"]] == [("Closed", close)]


@pytest.mark.parametrize("close", STAYS_AWAY)
async def test_it_stays_away_where_coming_back_is_of_no_use(page: Page, close: int) -> None:
    async with scripted_doors(Visit(FIRST, close)) as gateway:
        told = await followed(page, gateway.base_url)
    assert told["error"] == {"name": "Closed", "code": close}
    assert told["events"] == ALL[:2]


async def test_a_job_that_is_deleted_meanwhile_is_as_one_that_never_was(page: Page) -> None:
    async with scripted_doors(Visit(FIRST, 4500)) as gateway:
        told = await followed(page, gateway.base_url)
    assert told["error"] == {"name": "Refused", "status": 404, "code": "job_not_found"}


async def test_it_comes_back_as_often_as_it_takes(page: Page) -> None:
    lost = [Visit([opening(2, resumed=True)], CUT)] * 3
    async with scripted_doors(Visit(FIRST, CUT), *lost, Visit(REST)) as gateway:
        told = await followed(page, gateway.base_url)
    assert (told["events"], gateway.afters) == (ALL, ["", "e:2", "e:2", "e:2", "e:2"])


async def test_it_comes_back_where_the_gateway_says_so(page: Page) -> None:
    codes = list(CATALOGUE)
    async with scripted_doors() as gateway:
        client = f'const {{ comesBack }} = await import("{gateway.base_url}/static/batch.js");'
        (comes_back,) = await page.run(f"{client} console.log({codes}.map(comesBack))")
    assert dict(zip(codes, comes_back, strict=True)) == {
        code: close.come_back for code, close in CATALOGUE.items()
    }


async def test_it_waits_longer_each_time_until_there_is_news(page: Page) -> None:
    lost = [Visit([opening(2, resumed=True)], CUT)] * 2
    visits = Visit(FIRST, CUT), *lost, Visit(REST[:2], CUT), Visit([job_complete(4)])
    await page.run("window.random = Math.random; Math.random = () => 1;")
    async with scripted_doors(*visits) as gateway:
        told = await followed(page, gateway.base_url)
    await page.run("Math.random = window.random")
    assert [wait["pauseS"] for wait in told["waits"]] == [0.2, 0.4, 0.8, 0.2]


async def test_heartbeats_and_openings_that_repeat_the_last_event_are_left_out(page: Page) -> None:
    heartbeats = [progress(2), progress(2)]
    async with scripted_doors(
        Visit([*FIRST, *heartbeats], CUT), Visit([REST[0], *heartbeats, *REST[1:]])
    ) as gateway:
        told = await followed(page, gateway.base_url)
    assert told["events"] == ALL


async def test_who_goes_on_is_told_first_where_that_is(page: Page) -> None:
    async with scripted_doors(Visit(REST[:1], CUT), Visit(REST)) as gateway:
        told = await followed(page, gateway.base_url, options='after: "e:2"')
    assert told["events"] == ["progress e:2", *ALL[2:]]


async def test_a_state_that_comes_in_place_of_the_missing_events_is_told(page: Page) -> None:
    """As when the gateway has no such position any more: what was told until then may be wrong."""
    instead = opening(2, resumed=False), job_complete(4)
    async with scripted_doors(Visit(FIRST, CUT), Visit(instead)) as gateway:
        told = await followed(page, gateway.base_url)
    assert told["events"] == [*ALL[:2], "progress e:2", "job_complete e:4"]


ANEW = opening(1, resumed=False), image_complete(2, 0), image_complete(3, 1), job_complete(4)
"""As of a gateway that was restored from a backup: it does again what it had done."""


async def test_an_end_that_was_told_is_not_told_again_where_the_log_begins_anew(page: Page) -> None:
    async with scripted_doors(Visit(FIRST, CUT), Visit(ANEW)) as gateway:
        told = await followed(page, gateway.base_url)
    assert told["events"] == [*ALL[:2], "progress e:1", "image_complete e:3", "job_complete e:4"]


async def test_it_is_told_again_to_who_was_told_that_the_image_is_open_again(page: Page) -> None:
    images = [{"index": index, "status": status} for index, status in enumerate(["pending", "completed"])]
    opened = opening(1, resumed=False, images=images)
    async with scripted_doors(Visit(FIRST, CUT), Visit([opened, *ANEW[1:]])) as gateway:
        told = await followed(page, gateway.base_url, options="images: true")
    assert told["events"] == [*ALL[:2], "progress e:1", "image_complete e:2", "job_complete e:4"]


async def test_of_an_ended_job_state_and_end_are_told_though_both_have_one_position(page: Page) -> None:
    async with scripted_doors(Visit([opening(4, resumed=False), job_complete(4)])) as gateway:
        told = await followed(page, gateway.base_url, options='after: "e:4"')
    assert (told["events"], gateway.afters) == (["progress e:4", "job_complete e:4"], ["e:4"])


async def test_a_connection_that_says_nothing_any_more_is_given_up(page: Page) -> None:
    silent = Visit([FIRST[0], {**FIRST[1], "heartbeat_s": 0.1}], SILENCE)
    async with scripted_doors(silent, Visit(REST)) as gateway:
        told = await followed(page, gateway.base_url)
    assert (told["events"], gateway.afters) == (ALL, ["", "e:2"])
    assert told["waits"][0]["code"] == 1006


async def test_a_heartbeat_that_takes_no_time_is_none(page: Page) -> None:
    whole = Visit([opening(1, resumed=False, heartbeat_s=0), job_complete(2)])
    async with scripted_doors(whole) as gateway, timers_kept(page):
        assert (await followed(page, gateway.base_url))["events"] == ["progress e:1", "job_complete e:2"]
        assert 0 not in (await page.run("console.log(everyTimer)"))[0]


async def test_what_is_thrown_when_a_connection_has_opened_is_thrown_to_the_loop(page: Page) -> None:
    async with scripted_doors(Visit(FIRST, SILENCE)) as gateway:
        told = await followed(page, gateway.base_url, options="onOpen: () => { throw new RangeError(); }")
        await gateway.until_left()
    assert (told["events"], told["error"]) == ([], {"name": "RangeError"})


async def test_messages_that_are_no_events_are_passed_over(page: Page) -> None:
    async with scripted_doors(
        Visit([FIRST[0], {"type": "news of tomorrow"}, FIRST[1], *REST[1:]])
    ) as gateway:
        assert (await followed(page, gateway.base_url))["events"] == ALL


@pytest.mark.parametrize("message", ["hello", "null"])
async def test_who_sends_no_json_objects_is_no_gateway(page: Page, message: str) -> None:
    async with scripted_doors(Visit([message], SILENCE)) as gateway:
        assert (await followed(page, gateway.base_url))["error"] == {"name": "Closed", "code": 1007}


class TestARefusal:
    """Browsers show none of a WebSocket's to a script, so the client asks once more, without one."""

    async def test_that_is_for_good_is_thrown(self, page: Page) -> None:
        async with scripted_doors(Refusal(404, "job_not_found")) as gateway:
            told = await followed(page, gateway.base_url)
        assert (told["error"], told["waits"]) == (
            {"name": "Refused", "status": 404, "code": "job_not_found"},
            [],
        )

    @pytest.mark.parametrize("status", [429, 503])
    async def test_that_passes_is_waited_for_as_long_as_it_says(self, page: Page, status: int) -> None:
        refusal = Refusal(status, "busy", {"Retry-After": "1"})
        async with scripted_doors(refusal, Visit([*FIRST, *REST[1:]])) as gateway:
            told = await followed(page, gateway.base_url)
        (wait,) = told["waits"]
        assert (wait["name"], wait["code"], told["events"]) == ("Refused", "busy", ALL)
        assert 1 <= wait["pauseS"] <= 1.7

    @pytest.mark.parametrize("status", [404, 405, 501])
    async def test_by_who_answers_while_the_gateway_is_away_passes(self, page: Page, status: int) -> None:
        async with scripted_doors(Visit(FIRST, CUT), Refusal(status), Visit(REST)) as gateway:
            told = await followed(page, gateway.base_url)
        assert told["events"] == ALL
        assert {"name": "Refused", "code": ""}.items() <= told["waits"][-1].items()

    @pytest.mark.parametrize(
        "refusal", [Refusal(404), Refusal(403)], ids=["who is no gateway", "who lets nobody in"]
    )
    async def test_by_another_server_is_thrown_where_no_gateway_has_answered(
        self, page: Page, refusal: Refusal
    ) -> None:
        async with scripted_doors(refusal) as gateway:
            told = await followed(page, gateway.base_url)
        assert told["error"] == {"name": "Refused", "status": refusal.status, "code": ""}

    async def test_of_who_must_log_in_anew_is_thrown(self, page: Page) -> None:
        async with scripted_doors(Visit(FIRST, CUT), Refusal(401)) as gateway:
            told = await followed(page, gateway.base_url)
        assert told["error"] == {"name": "Refused", "status": 401, "code": ""}

    async def test_that_names_a_time_beyond_all_timers_is_not_come_back_to_at_once(self, page: Page) -> None:
        refusal = Refusal(503, "busy", {"Retry-After": "3000000"})
        async with scripted_doors(refusal, Visit([*FIRST, *REST[1:]])) as gateway:
            told = await followed(page, gateway.base_url, options="signal: AbortSignal.timeout(500)")
        assert (told["events"], told["error"]["name"]) == ([], "TimeoutError")


class TestWhoStops:
    """By the signal or by leaving the loop: no connection, no timer, no listener and no rejection stays behind."""

    SCRIPT = """
    const {{ BatchClient }} = await import("{base_url}/static/batch.js");
    const controller = new AbortController();
    const {{ signal }} = controller;
    window.listeners = window.rejections = 0;
    onunhandledrejection = () => window.rejections++;
    for (const [name, step] of [["addEventListener", 1], ["removeEventListener", -1]]) {{
      signal[name] = (...all) => {{
        window.listeners += step;
        EventTarget.prototype[name].apply(signal, all);
      }};
    }}
    const abort = () => ownTimers.setTimeout.call(window, () => controller.abort()); // When it waits.
    let error = null;
    {before}
    try {{
      for await (const event of new BatchClient().follow("x", {{ signal, {options} }})) {body}
    }} catch ({{ name }}) {{
      error = name;
    }}
    console.log(error);
    """
    LEFT = "console.log([...timers.values()], window.listeners, window.rejections)"

    async def test_ends_a_connection(self, page: Page) -> None:
        await self.stopped(page, Visit(FIRST[:1], SILENCE), body="abort();")

    async def test_ends_one_that_is_being_opened(self, page: Page) -> None:
        await self.stopped(page, Blocked(is_silent=True), before="abort();", is_left=False)

    async def test_ends_server_sent_events(self, page: Page) -> None:
        await self.stopped(page, *[Blocked()] * 3, Stream(FIRST[:1], SILENCE), body="abort();")

    async def test_leaves_the_connection_with_the_loop(self, page: Page) -> None:
        await self.stopped(page, Visit(FIRST, SILENCE), body="break;", error=None)

    async def test_ends_a_wait(self, page: Page) -> None:
        options = "onWait: abort"
        async with drawn(page, 1000):
            await self.stopped(page, Visit(FIRST, CUT), options=options, is_left=False)

    async def stopped(
        self,
        page: Page,
        *visits: Step,
        before: str = "",
        options: str = "",
        body: str = ";",
        error: str | None = "AbortError",
        is_left: bool = True,
    ) -> None:
        async with scripted_doors(*visits) as gateway, timers_kept(page):
            script = self.SCRIPT.format(base_url=gateway.base_url, options=options, body=body, before=before)
            assert await page.run(script) == [error]
            if is_left:
                await gateway.until_left()
            assert await page.run(self.LEFT) == [[], 0, 0]


PAUSES = """
const {{ pauseAfter }} = await import("{base_url}/static/batch.js");
const bounds = (failures, options) => [0, 1].map((edge) => pauseAfter(failures, {{ ...options, random: () => edge }}));
console.log(
  bounds(0),
  bounds(3),
  bounds(1000),
  bounds(0, {{ code: 1001 }}),
  bounds(0, {{ code: 1012 }}),
  bounds(0, {{ code: 1013 }}),
  bounds(0, {{ retryAfterS: 2 }}),
);
"""


async def test_pauses_have_bounds_and_are_drawn_from_all_between(page: Page) -> None:
    async with scripted_doors() as gateway:
        pauses = await page.run(PAUSES.format(base_url=gateway.base_url))
    first, fourth, longest, leaving, restarting, overloaded, as_asked = pauses
    assert (first, fourth, longest) == ([0, 0.2], [0, 1.6], [0, 10])
    assert leaving == restarting == [0, 5.2]
    assert (overloaded, as_asked) == ([5, 7.7], [2, 3.2])
