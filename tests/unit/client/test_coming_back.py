"""When a call comes back after a lost connection, and when it gives up."""

from collections.abc import AsyncGenerator, Iterator

import pytest
from attrs import define, field

from gateway.client import ClientError, Closed, Refused, Unreachable
from gateway.client.coming_back import ComingBack
from gateway.client.pauses import FIRST_PAUSE_S, Pauses

LOST = Closed(1006, "lost")
AWAY = Unreachable("away")
BUSY = Refused(503, "busy")
BAD_PROXY = Refused(502, "no answer", by_proxy=True)
NO_BACKEND = Refused(503, "no server", by_proxy=True)

ANSWER, NEWS = "answer", "news"
Step = str | ClientError


@define
class Connections:
    """What each of them brings: news, an answer without any, an error at its end."""

    scenes: Iterator[list[Step]]
    opened: int = 0
    ceilings: list[float] = field(factory=list)
    """The longest that each pause could have been; no time passes."""

    async def connect(self, coming_back: ComingBack) -> AsyncGenerator[str, None]:
        self.opened += 1
        for step in next(self.scenes):
            if isinstance(step, ClientError):
                raise step
            if step == NEWS:
                coming_back.went_on()
                yield step
            else:
                coming_back.answered()

    def draw(self, low: float, high: float) -> float:
        self.ceilings.append(high)
        return low


async def come(*scenes: list[Step], patience_s: float = 60.0) -> Connections:
    connections = Connections(iter(scenes))
    coming_back = ComingBack(patience_s, lambda _: None, Pauses(draw=connections.draw))
    async for _ in coming_back.over(connections.connect):
        pass
    return connections


async def test_it_comes_back_until_all_has_come():
    assert (await come([NEWS, LOST], [AWAY], [BUSY], [NEWS])).opened == 4


async def test_the_pause_grows_with_each_failure_in_a_row():
    connections = await come([LOST], [AWAY], [BUSY], [])
    assert connections.ceilings == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]


async def test_it_is_the_first_one_again_once_something_new_has_come():
    connections = await come([LOST], [LOST], [NEWS, LOST], [])
    assert connections.ceilings == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, FIRST_PAUSE_S]


async def test_a_gateway_that_answers_and_brings_nothing_new_is_not_asked_in_a_loop():
    connections = await come([ANSWER, LOST], [ANSWER, LOST], [])
    assert connections.ceilings == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S]


@pytest.mark.parametrize("error", [AWAY, BAD_PROXY, NO_BACKEND])
async def test_without_patience_it_gives_up_on_a_gateway_that_does_not_answer(error):
    with pytest.raises(type(error)):
        await come([error], [], patience_s=0)


@pytest.mark.parametrize("error", [LOST, BUSY])
async def test_a_gateway_that_answers_is_never_given_up(error):
    assert (await come([error], [], patience_s=0)).opened == 2


@pytest.mark.parametrize("error", [Closed(1008, "no"), Refused(403, "no"), Refused(500, "a bug")])
async def test_what_is_said_for_good_is_raised_at_once(error):
    with pytest.raises(type(error)):
        await come([NEWS, error], [])
