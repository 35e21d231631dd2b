"""Places, signs of life in turns, and how all are sent away."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest
from aiohttp import web
from attrs import define, field
from structlog.testing import capture_logs

from gateway.api.live.audience import LEAVE_S, Audience, TooManySubscribers
from gateway.api.live.close_codes import CRASHED, LEAVING, CloseCode
from gateway.errors import Unavailable
from gateway.events.settings import LONGEST_HEARTBEAT_S, SubscriberSettings
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings
from tests.hand_loop import HandLoop, hand_loop

SETTINGS = SubscriberSettings(
    heartbeat_s=20, max_connections=4, max_per_job=3, max_per_address=2, max_jobs=10
)


class Asking(dict[object, object]):
    """As much of a request as a place is given for."""

    def __init__(self, remote: str | None) -> None:
        super().__init__()
        self.remote = remote


@define(eq=False)
class Someone:
    """A member that notes what is done to it."""

    beats: list[float] = field(factory=list)
    goodbyes: list[CloseCode] = field(factory=list)

    def beat(self, now: float) -> None:
        self.beats.append(now)

    def leave(self, close: CloseCode) -> None:
        self.goodbyes.append(close)


def an_audience(settings: SubscriberSettings = SETTINGS, stopping: asyncio.Event | None = None) -> Audience:
    return Audience(settings, stopping or asyncio.Event(), Metrics(MetricsSettings()).subscribers)


def place(
    audience: Audience, job_id: str | None = None, address: str | None = None
) -> AbstractContextManager[None]:
    request: web.Request = Asking(address)  # type: ignore[assignment]
    return audience.place(request, "events", job_id)


@pytest.fixture
def loop() -> Iterator[HandLoop]:
    with hand_loop() as loop:
        yield loop


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class TestPlaces:
    def test_there_are_so_many_in_all(self, stack: ExitStack):
        audience = an_audience()
        for number in range(4):
            stack.enter_context(place(audience, f"job {number}", f"10.0.0.{number}"))
        with pytest.raises(TooManySubscribers, match="of this gateway"), place(audience, "another", "::1"):
            pass

    def test_there_are_so_many_of_a_job(self, stack: ExitStack):
        audience = an_audience()
        for number in range(3):
            stack.enter_context(place(audience, "job", f"10.0.0.{number}"))
        with pytest.raises(TooManySubscribers, match="this job"), place(audience, "job", "::1"):
            pass
        stack.enter_context(place(audience, "another", "::1"))

    def test_there_are_so_many_for_an_address(self, stack: ExitStack):
        audience = an_audience()
        for number in range(2):
            stack.enter_context(place(audience, f"job {number}", "10.0.0.1"))
        with pytest.raises(TooManySubscribers, match="this address"), place(audience, "job", "10.0.0.1"):
            pass
        stack.enter_context(place(audience, "job", "10.0.0.2"))

    @pytest.mark.parametrize("nowhere", [None, ""])
    def test_a_unix_socket_has_no_address_to_count(self, stack: ExitStack, nowhere: str | None):
        audience = an_audience()
        for number in range(4):
            stack.enter_context(place(audience, f"job {number}", nowhere))

    def test_one_that_was_refused_has_taken_none(self, stack: ExitStack):
        audience = an_audience()
        stack.enter_context(place(audience, "job", "a"))
        taken = stack.enter_context(place(audience, "job", "a"))
        for _ in range(10):
            with pytest.raises(TooManySubscribers), place(audience, "job", "a"):
                pass
        assert taken is None
        stack.enter_context(place(audience, "job", "b"))

    def test_one_that_fails_gives_its_place_back(self):
        audience = an_audience()
        for _ in range(10):
            with pytest.raises(ConnectionResetError), place(audience, "job", "a"):
                raise ConnectionResetError

    def test_who_is_refused_is_told_when_to_ask_again(self, stack: ExitStack):
        audience = an_audience()
        for _ in range(2):
            stack.enter_context(place(audience, "job", "a"))
        with pytest.raises(TooManySubscribers) as refusal, place(audience, "job", "a"):
            pass
        assert (refusal.value.code, refusal.value.retry_after_s) == ("too_many_subscribers", 10)

    def test_none_is_given_once_the_gateway_stops(self):
        stopping = asyncio.Event()
        stopping.set()
        with pytest.raises(Unavailable) as refusal, place(an_audience(stopping=stopping)):
            pass
        assert refusal.value.code == "stopping"

    def test_a_job_more_over_a_connection_takes_a_place_at_that_job_alone(self, stack: ExitStack):
        audience = an_audience()
        for _ in range(3):
            audience.take_place_at("job")
        with pytest.raises(TooManySubscribers):
            audience.take_place_at("job")
        stack.enter_context(place(audience, None, "a"))
        audience.give_back_place_at("job")
        audience.take_place_at("job")


class TestSignsOfLife:
    def test_each_has_one_in_every_heartbeat(self, loop: HandLoop, stack: ExitStack):
        audience = an_audience()
        members = self.there(audience, loop, stack, 50)
        loop.turn(60, step_s=0.1)
        assert all(len(member.beats) >= 3 for member in members)
        assert all(16 < later - sooner < 20 for member in members for sooner, later in pairs(member))

    def test_timers_that_come_late_do_not_make_them_rarer(self, loop: HandLoop, stack: ExitStack):
        audience = an_audience()
        (member,) = self.there(audience, loop, stack, 1)
        loop.turn(120, step_s=0.07)
        assert member.beats[-1] - member.beats[0] == pytest.approx(18 * (len(member.beats) - 1), abs=0.3)
        assert len(member.beats) >= 5

    def test_three_that_nobody_answers_and_a_goodbye_take_less_than_a_minute(
        self, loop: HandLoop, stack: ExitStack
    ):
        """By any settings, also for one that dies right after it answered, and though timers come late."""
        audience = an_audience(SubscriberSettings(heartbeat_s=LONGEST_HEARTBEAT_S))
        (member,) = self.there(audience, loop, stack, 1)
        loop.turn(120, step_s=0.07)
        answered, _, _, sent_away, *_ = member.beats
        assert sent_away - answered + LEAVE_S < 58

    def test_a_time_in_which_nobody_had_a_turn_is_not_made_up_for(self, loop: HandLoop, stack: ExitStack):
        audience = an_audience()
        members = self.there(audience, loop, stack, 50)
        loop.turn(30, step_s=0.1)
        loop.turn(15, step_s=15)
        loop.turn(60, step_s=0.1)
        assert all(later - sooner > 17 for member in members for sooner, later in pairs(member))

    def test_they_are_spread_in_time_though_all_came_at_once(self, loop: HandLoop, stack: ExitStack):
        audience = an_audience()
        members = self.there(audience, loop, stack, 200)
        loop.turn(20, step_s=0.1)
        assert len({member.beats[0] for member in members}) > 10

    def test_nobody_has_one_right_after_coming(self, loop: HandLoop, stack: ExitStack):
        """When the opening is told, or was a moment ago: there is no silence yet."""
        audience = an_audience()
        for _ in range(3):
            members = self.there(audience, loop, stack, 50)
            loop.turn(0.4 * SETTINGS.heartbeat_s)
            assert [member.beats for member in members] == [[]] * len(members)

    def test_one_whose_turn_fails_is_sent_away_and_no_other_misses_its_own(
        self, loop: HandLoop, stack: ExitStack
    ):
        class Failing(Someone):
            def beat(self, now: float) -> None:
                raise ValueError("a bug")

        audience, failing = an_audience(), [Failing() for _ in range(1000)]
        loop.call(lambda: [stack.enter_context(audience.with_member(member)) for member in failing])
        members = self.there(audience, loop, stack, 50)
        with capture_logs() as logged:
            loop.turn(20, step_s=0.1)
        assert all(member.beats and not member.goodbyes for member in members)
        assert all(member.goodbyes[:1] == [CRASHED] for member in failing)
        assert {line["event"] for line in logged} == {"a subscription crashed"}

    def test_who_has_left_has_none(self, loop: HandLoop, stack: ExitStack):
        audience = an_audience()
        (member,) = self.there(audience, loop, stack, 1)
        stack.close()
        loop.turn(40, step_s=0.1)
        assert member.beats == []

    def test_they_begin_again_with_who_comes_after_all_had_left(self, loop: HandLoop, stack: ExitStack):
        audience = an_audience()
        self.there(audience, loop, stack, 1)
        stack.close()
        loop.turn(40, step_s=0.1)
        (member,) = self.there(audience, loop, stack, 1)
        loop.turn(20, step_s=0.1)
        assert member.beats

    def there(self, audience: Audience, loop: HandLoop, stack: ExitStack, count: int) -> list[Someone]:
        members = [Someone() for _ in range(count)]

        def come() -> None:
            stack.enter_context(place(audience))
            for member in members:
                stack.enter_context(audience.with_member(member))

        loop.call(come)
        return members


def pairs(member: Someone) -> list[tuple[float, float]]:
    return list(zip(member.beats, member.beats[1:], strict=False))


class TestLeaving:
    async def test_all_are_sent_away_and_waited_for(self):
        audience = an_audience()
        members = [Someone() for _ in range(3)]
        with ExitStack() as stack:
            for member in members:
                stack.enter_context(audience.with_member(member))
            leaving = asyncio.create_task(audience.leave_all(web.Application()))
            await asyncio.sleep(0)
            assert [member.goodbyes for member in members] == [[LEAVING]] * 3
            assert not leaving.done()
        async with asyncio.timeout(LEAVE_S):
            await leaving

    def test_one_that_never_ends_is_not_waited_for_long(self, loop: HandLoop, stack: ExitStack):
        audience = an_audience()
        loop.call(lambda: stack.enter_context(audience.with_member(Someone())))
        leaving = loop.create_task(audience.leave_all(web.Application()))
        loop.turn(3.1)
        assert leaving.done()

    def test_who_comes_while_the_gateway_stops_is_sent_away_at_once(self, loop: HandLoop, stack: ExitStack):
        stopping = asyncio.Event()
        audience, member = an_audience(stopping=stopping), Someone()
        stopping.set()
        loop.call(lambda: stack.enter_context(audience.with_member(member)))
        assert member.goodbyes == [LEAVING]
        loop.turn(1)
