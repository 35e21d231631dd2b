"""Where a proxy lets no WebSocket through the JavaScript client follows by server-sent events, and tells the same."""

from typing import Final

import pytest

from tests.integration.javascript_client.clocks import drawn, fast_clock, timers_kept
from tests.integration.javascript_client.following import (
    followed,
    image_complete,
    job_complete,
    opening,
    progress,
)
from tests.servers.browser import Page
from tests.servers.scripted_doors import (
    CUT,
    SILENCE,
    AllSeen,
    Blocked,
    NoStream,
    Refusal,
    Step,
    Stream,
    Visit,
    scripted_doors,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")

BLOCKED: Final = [Blocked()] * 3
FIRST: Final = opening(1, resumed=False), image_complete(2, 0)
REST: Final = opening(2, resumed=True), image_complete(3, 1), job_complete(4)
WHOLE: Final = *FIRST, *REST[1:]
ALL: Final = ["progress e:1", "image_complete e:2", "image_complete e:3", "job_complete e:4"]
LOST: Final = "The connection was closed with 1006: "
HEARTBEAT: Final = {"type": "heartbeat", "job_id": "x", "timestamp": "2026-11-18T10:30:00.123381Z"}


class TestThatNoneGetsThrough:
    async def test_is_learnt_from_three_in_a_row(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, Stream(WHOLE)) as gateway:
            told = await followed(page, gateway.base_url)
        assert (told["events"], gateway.doors) == (ALL, ["ws", "ws", "ws", "events"])

    async def test_is_learnt_from_two_that_get_no_answer(self, page: Page) -> None:
        async with scripted_doors(*[Blocked(is_silent=True)] * 2, Stream(WHOLE)) as gateway, fast_clock(page):
            told = await followed(page, gateway.base_url)
        assert (told["events"], gateway.doors) == (ALL, ["ws", "ws", "events"])
        assert [wait["message"] for wait in told["waits"]] == [f"{LOST}silence for 8 s"] * 2

    async def test_is_not_learnt_from_two_however_long_the_page_slept_between(self, page: Page) -> None:
        """As a tab in the background does, or a computer that is shut."""
        long, opening_s = 45, 8  # Pauses of 9 and 18 s; the third one has its time to open.
        visits: list[Step] = [*BLOCKED[:2], Visit(WHOLE)]
        async with scripted_doors(*visits) as gateway, drawn(page, long), fast_clock(page, above_s=opening_s):
            told = await followed(page, gateway.base_url)
        assert (told["events"], gateway.doors) == (ALL, ["ws"] * 3)

    async def test_is_learnt_from_those_that_open_and_bring_nothing(self, page: Page) -> None:
        silent: list[Step] = [Visit([], SILENCE), Blocked()]
        async with scripted_doors(*silent * 2, Stream(WHOLE)) as gateway, fast_clock(page):
            told = await followed(page, gateway.base_url)
        assert (told["events"], gateway.doors[-1]) == (ALL, "events")

    @pytest.mark.parametrize("between", [Refusal(503, "stopping"), Visit([], 1011)], ids=["refusal", "close"])
    async def test_is_not_learnt_where_there_was_another_reason_between(
        self, page: Page, between: Refusal | Visit
    ) -> None:
        two = BLOCKED[:2]
        async with scripted_doors(*two, between, *two, Visit(WHOLE)) as gateway:
            told = await followed(page, gateway.base_url)
        assert (told["events"], set(gateway.doors)) == (ALL, {"ws"})

    async def test_is_not_learnt_while_nobody_answers_at_all(self, page: Page) -> None:
        """As while a gateway restarts: other answers than 426 say nothing of WebSockets."""
        async with scripted_doors(*[Refusal(502, "")] * 4, Visit(WHOLE)) as gateway:
            told = await followed(page, gateway.base_url)
        assert (told["events"], set(gateway.doors)) == (ALL, {"ws"})

    async def test_is_kept_in_mind_by_all_clients_of_the_page(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, *[Stream(WHOLE)] * 2) as gateway:
            for _ in range(2):
                told = await followed(page, gateway.base_url)
                assert told["events"] == ALL
        assert gateway.doors == ["ws", "ws", "ws", "events", "events"]

    async def test_is_not_thought_of_a_gateway_to_which_one_got_through(self, page: Page) -> None:
        again, nine = Visit(REST[:1], CUT), [Blocked()] * 9
        visits: list[Step] = [Visit(FIRST, CUT), *nine, again, *nine, Visit(REST)]
        async with scripted_doors(*visits) as gateway, drawn(page, 0):
            told = await followed(page, gateway.base_url)
        assert (told["events"], set(gateway.doors)) == (ALL, {"ws"})

    async def test_is_thought_even_then_after_ten(self, page: Page) -> None:
        """Somebody may have taken the computer to another network."""
        visits: list[Step] = [Visit(FIRST, CUT), *[Blocked()] * 10, Stream(REST)]
        async with scripted_doors(*visits) as gateway, drawn(page, 0):
            told = await followed(page, gateway.base_url)
        assert (told["events"], gateway.doors) == (ALL, ["ws"] * 11 + ["events"])


class TestByEvents:
    async def test_it_goes_on_behind_the_last_one(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, Stream(FIRST), Stream(REST)) as gateway:
            told = await followed(page, gateway.base_url)
        assert (told["events"], gateway.afters) == (ALL, ["", "e:2"])
        assert [(wait["name"], wait["code"]) for wait in told["waits"][3:]] == [("Closed", CUT)]

    async def test_it_asks_for_what_it_is_asked_for(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, Stream(REST)) as gateway:
            told = await followed(page, gateway.base_url, options='after: "e:2"')
        assert (told["events"], gateway.afters) == (["progress e:2", *ALL[2:]], ["e:2"])

    async def test_what_was_told_and_what_is_older_is_left_out(self, page: Page) -> None:
        stale = [progress(2), image_complete(2, 0), progress(1), HEARTBEAT]
        async with scripted_doors(
            *BLOCKED, Stream([*FIRST, *stale]), Stream([REST[0], *stale, *REST[1:]])
        ) as gateway:
            told = await followed(page, gateway.base_url)
        assert told["events"] == ALL

    async def test_a_state_that_comes_in_place_of_the_missing_events_is_told(self, page: Page) -> None:
        instead = opening(1, resumed=False), job_complete(4)
        async with scripted_doors(*BLOCKED, Stream(FIRST), Stream(instead)) as gateway:
            told = await followed(page, gateway.base_url)
        assert told["events"] == [*ALL[:2], "progress e:1", "job_complete e:4"]

    async def test_it_waits_longer_each_time_until_there_is_news(self, page: Page) -> None:
        lost = [Stream([opening(2, resumed=True)])] * 2
        visits: list[Step] = [*BLOCKED, Stream(FIRST), *lost, Stream(REST)]
        async with scripted_doors(*visits) as gateway, drawn(page, 1):
            told = await followed(page, gateway.base_url)
        assert [wait["pauseS"] for wait in told["waits"][3:]] == [0.2, 0.4, 0.8]

    async def test_the_end_of_a_job_of_which_all_was_seen_is_told_as_by_websocket(self, page: Page) -> None:
        """The gateway has nothing to say to who names its last event."""
        ended = Stream([opening(4, resumed=False), job_complete(4)])
        async with scripted_doors(*BLOCKED, AllSeen(), ended) as gateway:
            told = await followed(page, gateway.base_url, options='after: "e:4"')
        assert (told["events"], gateway.afters) == (["progress e:4", "job_complete e:4"], ["e:4", ""])

    async def test_a_gateway_that_sends_everybody_away_is_come_back_to_spread_in_time(
        self, page: Page
    ) -> None:
        leaving = Stream(FIRST, farewell="retry: 700\n\n")
        async with scripted_doors(*BLOCKED, leaving, Stream(REST)) as gateway:
            told = await followed(page, gateway.base_url)
        assert (told["events"], told["waits"][-1]["code"]) == (ALL, 1001)

    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
    async def test_it_does_not_matter_how_they_are_cut_up(self, page: Page, line_end: str) -> None:
        async with scripted_doors(*BLOCKED, Stream(WHOLE, piece_bytes=1, line_end=line_end)) as gateway:
            assert (await followed(page, gateway.base_url))["events"] == ALL

    async def test_an_answer_that_says_nothing_any_more_is_given_up(self, page: Page) -> None:
        silent = Stream([FIRST[0], {**FIRST[1], "heartbeat_s": 0.1}], SILENCE)
        async with scripted_doors(*BLOCKED, silent, Stream(REST)) as gateway:
            told = await followed(page, gateway.base_url)
            await gateway.until_left()
        assert told["events"] == ALL

    async def test_that_there_is_no_such_job_is_thrown(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, Refusal(404, "job_not_found")) as gateway:
            told = await followed(page, gateway.base_url)
        assert told["error"] == {"name": "Refused", "status": 404, "code": "job_not_found"}

    @pytest.mark.parametrize("status", [429, 503])
    async def test_a_refusal_that_passes_is_waited_for_as_long_as_it_says(
        self, page: Page, status: int
    ) -> None:
        refusal = Refusal(status, "busy", {"Retry-After": "1"})
        async with scripted_doors(*BLOCKED, refusal, Stream(WHOLE)) as gateway:
            told = await followed(page, gateway.base_url)
        wait = told["waits"][-1]
        assert (wait["name"], wait["code"], told["events"]) == ("Refused", "busy", ALL)
        assert 1 <= wait["pauseS"] <= 3.1

    async def test_who_answers_something_else_is_no_gateway(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, NoStream()) as gateway:
            told = await followed(page, gateway.base_url)
        assert (told["error"]["name"], told["error"]["status"]) == ("Refused", 200)

    async def test_who_leaves_the_loop_leaves_the_answer(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, Stream(FIRST, SILENCE)) as gateway:
            await page.run(f"""
                const {{ BatchClient }} = await import("{gateway.base_url}/static/batch.js");
                for await (const event of new BatchClient().follow("x")) break;
            """)
            await gateway.until_left()

    async def test_who_leaves_the_loop_leaves_what_came_with_the_last_event(self, page: Page) -> None:
        async with scripted_doors(*BLOCKED, Stream([*WHOLE] * 20, SILENCE)) as gateway, timers_kept(page):
            await page.run(f"""
                const {{ BatchClient }} = await import("{gateway.base_url}/static/batch.js");
                for await (const event of new BatchClient().follow("x")) break;
            """)
            await gateway.until_left()
            assert await page.run("console.log([...timers.values()])") == [[]]
