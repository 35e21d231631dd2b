"""The JavaScript client follows many jobs over one WebSocket, or all of them, each at its own place."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from tests.integration.javascript_client.clocks import drawn, timers_kept
from tests.servers.browser import Page
from tests.servers.scripted_doors import CUT, HEAR, Blocked, Talk, scripted_doors

pytestmark = pytest.mark.asyncio(loop_scope="package")

Message = Mapping[str, Any]

FOLLOW: Final = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
const events = [], lost = [], waits = [];
const onLost = (jobId, {{ status, code }}) => lost.push([jobId, status, code]);
const onWait = ({{ code }}, pauseS, jobId) => waits.push([code, jobId ?? null]);
const jobs = new BatchClient().followMany({job_ids}, {{ onLost, onWait, {options} }});
let error;
try {{
  for await (const event of jobs) {{
    events.push(`${{event.type}} ${{event.job_id ?? event.job.job_id}} ${{event.id}}`);
    {then}
  }}
}} catch ({{ name, status, code }}) {{
  error = {{ name, status, code }};
}}
console.log({{ events, lost, waits, error }});
"""


async def followed(
    page: Page, base_url: str, *job_ids: str, options: str = "", then: str = ""
) -> dict[str, Any]:
    """What was told in short: type, job and id of each event."""
    script = FOLLOW.format(base_url=base_url, job_ids=list(job_ids), options=options, then=then)
    (told,) = await page.run(script)
    outcome: dict[str, Any] = told
    return outcome


COUNT_UNANSWERED: Final = """
window.OwnSocket = WebSocket;
window.mostUnanswered = 0;
const isAnswer = ({ type }) => type === "subscribed" || type === "error";
window.WebSocket = class extends WebSocket {
  unanswered = 0;
  constructor(url) {
    super(url);
    this.addEventListener("message", ({ data }) => isAnswer(JSON.parse(data)) && this.unanswered--);
  }
  send(text) {
    super.send(text);
    window.mostUnanswered = Math.max(window.mostUnanswered, ++this.unanswered);
  }
};
"""


@asynccontextmanager
async def unanswered_counted(page: Page) -> AsyncIterator[None]:
    """In `window.mostUnanswered`: how many subscriptions were asked for and not answered, at most."""
    await page.run(COUNT_UNANSWERED)
    try:
        yield
    finally:
        await page.run("window.WebSocket = window.OwnSocket")


def subscribed(job_id: str) -> Message:
    return {"type": "subscribed", "job_id": job_id, "heartbeat_s": 20}


def unsubscribed(job_id: str) -> Message:
    return {"type": "unsubscribed", "job_id": job_id}


def refused(job_id: str, code: str) -> Message:
    return {"type": "error", "code": code, "error": f"No: {code}.", "job_id": job_id}


def event(kind: str, job_id: str, number: int, **more: Any) -> Message:
    return {"type": kind, "id": f"e:{number}", "job_id": job_id, **more}


def opening(job_id: str, number: int, *, resumed: bool = False) -> Message:
    return event("progress", job_id, number, resumed=resumed, heartbeat_s=20)


def image(job_id: str, number: int) -> Message:
    return event("image_complete", job_id, number, image={"index": number})


def complete(job_id: str, number: int) -> Message:
    return event("job_complete", job_id, number)


def subscribe(job_id: str, **more: Any) -> Message:
    return {"type": "subscribe", "job_id": job_id, **more}


async def test_each_is_told_to_its_end(page: Page) -> None:
    steps = [
        HEAR, HEAR, subscribed("a"), opening("a", 1), subscribed("b"), opening("b", 1),
        image("b", 2), image("a", 2), complete("b", 3), complete("a", 3),
    ]  # fmt: skip
    async with scripted_doors(Talk(steps)) as gateway:
        told = await followed(page, gateway.base_url, "a", "b")
        await gateway.until_left()
    assert gateway.heard == [[subscribe("a"), subscribe("b")]]
    assert told["events"] == [
        "progress a e:1", "progress b e:1", "image_complete b e:2", "image_complete a e:2",
        "job_complete b e:3", "job_complete a e:3",
    ]  # fmt: skip


async def test_it_asks_as_it_was_asked(page: Page) -> None:
    async with scripted_doors(Talk([HEAR, HEAR, complete("a", 1)])) as gateway:
        options = "after: { A: 'e:1' }, images: true"
        then = "jobs.unsubscribe('b');"
        steps = [HEAR, HEAR, subscribed("a"), subscribed("b"), complete("a", 2)]
        gateway.visits[0] = Talk(steps)
        await followed(page, gateway.base_url, "A", "b", options=options, then=then)
    assert gateway.heard[0][:2] == [subscribe("a", after="e:1", images=True), subscribe("b", images=True)]


async def test_each_goes_on_behind_its_own_last_event(page: Page) -> None:
    first = [
        *[HEAR] * 3, *map(subscribed, "abc"), opening("a", 1), opening("b", 5), opening("c", 1),
        image("a", 2), complete("c", 2),
    ]  # fmt: skip
    rest = [
        HEAR, HEAR, subscribed("a"), opening("a", 2, resumed=True), image("a", 3), complete("a", 4),
        subscribed("b"), opening("b", 5, resumed=True), complete("b", 6),
    ]  # fmt: skip
    async with scripted_doors(Talk(first, 1012), Talk(rest)) as gateway, drawn(page, 0):
        told = await followed(page, gateway.base_url, "a", "b", "c")
    assert gateway.heard[1] == [subscribe("a", after="e:2"), subscribe("b", after="e:5")]
    assert told["events"][3:] == [
        "image_complete a e:2", "job_complete c e:2", "image_complete a e:3", "job_complete a e:4",
        "job_complete b e:6",
    ]  # fmt: skip
    assert told["waits"] == [[1012, None]]


class TestAJobThatIsRefused:
    async def test_for_now_is_asked_for_again_while_the_others_go_on(self, page: Page) -> None:
        steps = [
            HEAR, HEAR, subscribed("a"), opening("a", 1), refused("b", "unavailable"), image("a", 2),
            HEAR, image("a", 3), subscribed("b"), opening("b", 1), complete("b", 2), complete("a", 4),
        ]  # fmt: skip
        async with scripted_doors(Talk(steps)) as gateway, drawn(page, 0):
            told = await followed(page, gateway.base_url, "a", "b")
        assert gateway.heard == [[subscribe("a"), subscribe("b"), subscribe("b")]]
        assert (told["events"][1], told["waits"]) == ("image_complete a e:2", [["unavailable", "b"]])
        assert told["events"][-2:] == ["job_complete b e:2", "job_complete a e:4"]

    async def test_in_the_midst_of_it_goes_on_behind_its_last_event(self, page: Page) -> None:
        steps = [
            HEAR, subscribed("a"), opening("a", 1), image("a", 2), refused("a", "unavailable"),
            HEAR, subscribed("a"), opening("a", 2, resumed=True), complete("a", 3),
        ]  # fmt: skip
        async with scripted_doors(Talk(steps)) as gateway, drawn(page, 0):
            told = await followed(page, gateway.base_url, "a")
        assert gateway.heard == [[subscribe("a"), subscribe("a", after="e:2")]]
        assert told["events"] == ["progress a e:1", "image_complete a e:2", "job_complete a e:3"]

    async def test_for_good_ends_alone(self, page: Page) -> None:
        steps = [
            HEAR, HEAR, subscribed("a"), refused("B", "job_not_found"), opening("a", 1), complete("a", 2),
        ]  # fmt: skip
        async with scripted_doors(Talk(steps)) as gateway:
            told = await followed(page, gateway.base_url, "a", "B")
        assert (told["events"], told["lost"]) == (
            ["progress a e:1", "job_complete a e:2"],
            [["b", 404, "job_not_found"]],
        )

    async def test_for_good_is_thrown_where_nobody_wants_to_be_told(self, page: Page) -> None:
        async with scripted_doors(Talk([HEAR, refused("a", "job_not_found")])) as gateway:
            told = await followed(page, gateway.base_url, "a", options="onLost: undefined")
            await gateway.until_left()
        assert told["error"] == {"name": "Refused", "status": 404, "code": "job_not_found"}

    async def test_for_lack_of_room_has_its_turn_when_another_one_ends(self, page: Page) -> None:
        full = "too_many_subscriptions"
        steps = [
            *[HEAR] * 3, subscribed("a"), refused("b", full), refused("c", full), opening("a", 1), complete("a", 2),
            HEAR, subscribed("b"), complete("b", 2), HEAR, subscribed("c"), complete("c", 2),
        ]  # fmt: skip
        then = "if (event.id === 'e:1') window.mostUnanswered = 0;"
        async with scripted_doors(Talk(steps)) as gateway, drawn(page, 1000), unanswered_counted(page):
            told = await followed(page, gateway.base_url, "a", "b", "c", then=then)
        assert gateway.heard[0][3:] == [subscribe("b"), subscribe("c")]
        assert await page.run("console.log(window.mostUnanswered)") == [1]
        assert told["events"][1:] == ["job_complete a e:2", "job_complete b e:2", "job_complete c e:2"]

    async def test_for_lack_of_room_has_one_timer_with_all_others(self, page: Page) -> None:
        """However often it is asked for in vain. One more is there for the silence of the connection."""
        full = "too_many_subscriptions"
        steps = [
            *[HEAR] * 5, subscribed("a"), subscribed("b"), *[refused(job_id, full) for job_id in "cde"],
            opening("b", 1), complete("a", 2), HEAR, refused("c", full), image("b", 3),
        ]  # fmt: skip
        then = "window.counts.push(timers.size); if (event.id === 'e:3') break;"
        async with scripted_doors(Talk(steps)) as gateway, timers_kept(page):
            await page.run("window.counts = []")
            await followed(page, gateway.base_url, *"abcde", then=then)
            assert await page.run("console.log(window.counts, timers.size)") == [[2, 2, 2], 0]

    async def test_for_lack_of_room_is_asked_for_later_where_none_ends(self, page: Page) -> None:
        full = refused("a", "too_many_subscriptions")
        steps = [HEAR, full, HEAR, subscribed("a"), complete("a", 1)]
        async with scripted_doors(Talk(steps)) as gateway, drawn(page, 0):
            told = await followed(page, gateway.base_url, "a")
        assert (told["events"], told["waits"]) == (["job_complete a e:1"], [["too_many_subscriptions", "a"]])


class TestWhileItRuns:
    async def test_jobs_are_added(self, page: Page) -> None:
        steps = [
            HEAR, subscribed("a"), opening("a", 1), HEAR, complete("a", 2), subscribed("b"), complete("b", 3)
        ]  # fmt: skip
        then = "if (event.id === 'e:1') jobs.subscribe('B', { after: 'e:2', images: true });"
        async with scripted_doors(Talk(steps)) as gateway:
            told = await followed(page, gateway.base_url, "a", then=then)
        assert gateway.heard == [[subscribe("a"), subscribe("b", after="e:2", images=True)]]
        assert told["events"][1:] == ["job_complete a e:2", "job_complete b e:3"]

    async def test_jobs_are_left(self, page: Page) -> None:
        steps = [
            HEAR, HEAR, subscribed("a"), subscribed("b"), opening("a", 1), HEAR, image("a", 2),
            unsubscribed("a"), complete("b", 2),
        ]  # fmt: skip
        async with scripted_doors(Talk(steps)) as gateway:
            told = await followed(page, gateway.base_url, "a", "b", then="jobs.unsubscribe('a');")
        assert gateway.heard[0][2] == {"type": "unsubscribe", "job_id": "a"}
        assert told["events"] == ["progress a e:1", "job_complete b e:2"]

    async def test_who_leaves_the_last_one_is_done(self, page: Page) -> None:
        async with scripted_doors(Talk([HEAR, subscribed("a"), opening("a", 1)])) as gateway:
            then = "setTimeout(() => jobs.unsubscribe('a'));"  # When it waits for what comes next.
            told = await followed(page, gateway.base_url, "a", then=then)
            await gateway.until_left()
        assert told["events"] == ["progress a e:1"]

    @pytest.mark.parametrize(
        "on_wait",
        ["jobs.unsubscribe('a')", "setTimeout(() => jobs.unsubscribe('a'))"],
        ids=["before", "in it"],
    )
    async def test_who_leaves_the_last_one_in_a_pause_is_done(self, page: Page, on_wait: str) -> None:
        steps = [HEAR, subscribed("a"), opening("a", 1)]
        async with scripted_doors(Talk(steps, CUT)) as gateway, drawn(page, 1000), timers_kept(page):
            told = await followed(page, gateway.base_url, "a", options=f"onWait: () => {on_wait}")
            assert await page.run("console.log(timers.size)") == [0]
        assert told["events"] == ["progress a e:1"]

    async def test_what_comes_of_a_job_that_was_left_is_not_told_to_who_has_added_it_again(
        self, page: Page
    ) -> None:
        steps = [
            HEAR, HEAR, subscribed("a"), subscribed("b"), opening("a", 5), HEAR, HEAR, image("a", 6),
            unsubscribed("a"), subscribed("a"), opening("a", 2, resumed=True), complete("a", 7), complete("b", 1),
        ]  # fmt: skip
        then = "if (event.id === 'e:5') { jobs.unsubscribe('a'); jobs.subscribe('a', { after: 'e:2' }); }"
        async with scripted_doors(Talk(steps)) as gateway:
            told = await followed(page, gateway.base_url, "a", "b", then=then)
        assert told["events"] == [
            "progress a e:5", "progress a e:2", "job_complete a e:7", "job_complete b e:1"
        ]  # fmt: skip

    async def test_who_leaves_the_last_one_and_adds_another_at_once_goes_on(self, page: Page) -> None:
        then = "if (event.job_id === 'a') { jobs.unsubscribe('a'); jobs.subscribe('b'); }"
        steps = [
            HEAR, subscribed("a"), opening("a", 1), HEAR, HEAR, unsubscribed("a"), subscribed("b"), complete("b", 1)
        ]  # fmt: skip
        async with scripted_doors(Talk(steps)) as gateway:
            told = await followed(page, gateway.base_url, "a", then=then)
        assert (told["events"], told["waits"]) == (["progress a e:1", "job_complete b e:1"], [])


async def test_so_many_are_asked_for_at_a_time_that_answers_can_be_read(page: Page) -> None:
    names = [f"job-{number}" for number in range(60)]
    told = [step for name in names[10:] for step in (subscribed(name), complete(name, 1))]
    ends = [complete(name, 1) for name in names[:10]]
    steps = [*[HEAR] * 50, *map(subscribed, names[:10]), *[HEAR] * 10, *told, *ends]
    async with scripted_doors(Talk(steps)) as gateway, unanswered_counted(page):
        events = (await followed(page, gateway.base_url, *names))["events"]
    assert (len(events), await page.run("console.log(window.mostUnanswered)")) == (60, [50])
    assert [said["job_id"] for said in gateway.heard[0]] == names


class TestAllJobs:
    """A subscription to "*"."""

    SUBSCRIBED: Final = subscribed("*")

    def jobs(self, number: int, *, resumed: bool = False) -> Message:
        more = {} if resumed else {"jobs": [], "total": 0}
        return event("jobs", "*", number, resumed=resumed, heartbeat_s=20, **more)

    def changed(self, number: int, job_id: str = "a") -> Message:
        return {"type": "job_changed", "id": f"e:{number}", "job": {"job_id": job_id}}

    async def test_tells_of_each_that_changes_or_is_deleted(self, page: Page) -> None:
        steps = [HEAR, self.SUBSCRIBED, self.jobs(1), self.changed(2), event("job_deleted", "a", 3)]
        async with scripted_doors(Talk(steps)) as gateway:
            then = "if (event.type === 'job_deleted') break;"
            told = await followed(page, gateway.base_url, "*", then=then)
        assert told["events"] == ["jobs * e:1", "job_changed a e:2", "job_deleted a e:3"]

    async def test_goes_on_behind_the_last_change_and_tells_none_twice(self, page: Page) -> None:
        first = [HEAR, self.SUBSCRIBED, self.jobs(1), self.changed(2)]
        rest = [HEAR, self.SUBSCRIBED, self.jobs(2, resumed=True), self.changed(2), self.changed(3, "b")]
        async with scripted_doors(Talk(first, 1011), Talk(rest)) as gateway:
            told = await followed(page, gateway.base_url, "*", then="if (event.id === 'e:3') break;")
        assert gateway.heard[1][0] == subscribe("*", after="e:2")
        assert told["events"] == ["jobs * e:1", "job_changed a e:2", "job_changed b e:3"]

    async def test_tells_the_list_again_where_it_takes_the_place_of_what_was_told(self, page: Page) -> None:
        first = [HEAR, self.SUBSCRIBED, self.jobs(5), self.changed(6)]
        rest = [HEAR, self.SUBSCRIBED, self.jobs(1), self.changed(2)]
        async with scripted_doors(Talk(first, 1011), Talk(rest)) as gateway:
            told = await followed(page, gateway.base_url, "*", then="if (event.id === 'e:2') break;")
        assert told["events"][2:] == ["jobs * e:1", "job_changed a e:2"]

    async def test_lies_beside_single_jobs(self, page: Page) -> None:
        steps = [
            HEAR, HEAR, self.SUBSCRIBED, self.jobs(1), subscribed("a"), self.changed(2), opening("a", 1),
            event("job_deleted", "a", 3), refused("a", "job_not_found"), self.changed(4, "b"),
        ]  # fmt: skip
        async with scripted_doors(Talk(steps)) as gateway:
            told = await followed(page, gateway.base_url, "*", "a", then="if (event.id === 'e:4') break;")
        assert told["events"][1:] == [
            "job_changed a e:2", "progress a e:1", "job_deleted a e:3", "job_changed b e:4"
        ]  # fmt: skip
        assert told["lost"] == [["a", 404, "job_not_found"]]

    async def test_is_not_asked_for_images_which_it_has_not(self, page: Page) -> None:
        steps = [HEAR, HEAR, self.SUBSCRIBED, self.jobs(1)]
        async with scripted_doors(Talk(steps)) as gateway:
            await followed(page, gateway.base_url, "*", "a", options="images: true", then="break;")
        assert gateway.heard[0][:2] == [subscribe("*"), subscribe("a", images=True)]

    async def test_may_begin_behind_a_change(self, page: Page) -> None:
        steps = [HEAR, self.SUBSCRIBED, self.jobs(7, resumed=True)]
        async with scripted_doors(Talk(steps)) as gateway:
            told = await page.run(f"""
                const {{ BatchClient }} = await import("{gateway.base_url}/static/batch.js");
                for await (const event of new BatchClient().followAll({{ after: "e:7" }})) {{
                  console.log(event.type);
                  break;
                }}
            """)
        assert (told, gateway.heard[0][0]) == (["jobs"], subscribe("*", after="e:7"))


SLOWLY: Final = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
const OwnSocket = WebSocket;
let has_come;
const all = new Promise((resolve) => (has_come = resolve));
window.WebSocket = class extends OwnSocket {{
  constructor(url) {{
    super(url);
    this.addEventListener("message", ({{ data }}) => JSON.parse(data).type === "job_deleted" && setTimeout(has_come));
  }}
}};
const told = [];
for await (const event of new BatchClient().followMany(["*", "a"])) {{
  told.push(`${{event.type}} ${{event.id}}`);
  if (told.length === 1) await all;
  if (event.type === "job_deleted") break;
}}
window.WebSocket = OwnSocket;
console.log(told);
"""


async def test_a_slow_caller_is_told_the_newest_state_and_every_end(page: Page) -> None:
    changes = [
        {"type": "job_changed", "id": f"e:{number}", "job": {"job_id": "a"}} for number in range(2, 90)
    ]
    states = [event("progress", "a", number) for number in range(2, 90)]
    steps = [
        HEAR, HEAR, subscribed("*"), subscribed("a"), opening("a", 1), *changes, *states[:40],
        image("a", 44), image("a", 45), *states[50:], event("job_deleted", "b", 90),
    ]  # fmt: skip
    async with scripted_doors(Talk(steps)) as gateway:
        (told,) = await page.run(SLOWLY.format(base_url=gateway.base_url))
    assert told == [
        "progress e:1", "job_changed e:89", "image_complete e:44", "image_complete e:45", "progress e:89",
        "job_deleted e:90",
    ]  # fmt: skip


async def test_the_first_answer_is_waited_for_as_long_as_any_other(page: Page) -> None:
    """Sooner to be given up is for who has another door."""
    steps = [HEAR, subscribed("a"), complete("a", 1)]
    async with scripted_doors(Talk(steps)) as gateway, timers_kept(page):
        await followed(page, gateway.base_url, "a")
        assert await page.run("console.log(...new Set(everyTimer))") == [50_000]


TELL_OF_THE_CLOSE: Final = """
window.OwnSocket = WebSocket;
window.lost = new Promise((isLost) => (window.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url);
    this.addEventListener("close", () => ownTimers.setTimeout.call(window, isLost));
  }
}));
"""


async def test_what_comes_too_late_sets_no_timer(page: Page) -> None:
    """A slow caller reads of a job that is asked for again later when the connection has long gone."""
    steps = [HEAR, HEAR, subscribed("a"), opening("a", 1), refused("b", "unavailable")]
    rest = [HEAR, HEAR, subscribed("a"), complete("a", 2), subscribed("b"), complete("b", 1)]
    then = "if (event.id === 'e:1') await window.lost;"
    async with scripted_doors(Talk(steps, 1011), Talk(rest)) as gateway, timers_kept(page):
        await page.run(TELL_OF_THE_CLOSE)
        told = await followed(page, gateway.base_url, "a", "b", then=then)
        await page.run("window.WebSocket = window.OwnSocket")
        assert (told["events"][1:], await page.run("console.log(timers.size)")) == (
            ["job_complete a e:2", "job_complete b e:1"],
            [0],
        )


async def test_that_no_websocket_gets_through_is_learnt_for_single_jobs_as_well(page: Page) -> None:
    async with scripted_doors(*[Blocked()] * 3, Talk([HEAR, subscribed("a"), complete("a", 1)])) as gateway:
        told = await followed(page, gateway.base_url, "a")
    assert (told["events"], gateway.doors) == (["job_complete a e:1"], ["ws"] * 4)
