"""The vision provider: a model, asked by HTTP, says what is in a picture.

How long an image may take counts from when its first request may begin: a wait for a turn is our own bounds' doing,
and no image fails for it. From then on everything counts, so that an image ends in time whatever the endpoint does.
"""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter
from typing import Final

import structlog
from attrs import define, field, frozen

from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.vision.endpoint import Endpoint
from gateway.analyzer.vision.failures import Down, RequestFailed
from gateway.analyzer.vision.health import Health
from gateway.analyzer.vision.picture import Picture, prepared
from gateway.analyzer.vision.prompt import prompt_for, template_of
from gateway.analyzer.vision.replies import Usage
from gateway.analyzer.vision.request import request_body
from gateway.analyzer.vision.settings import VisionSettings
from gateway.analyzer.vision.turns import PauseTooLong, Turns
from gateway.metadata import Metadata
from gateway.ports.clock import Clock, SystemClock
from gateway.processes import HelperDied, HelperProcesses, HelperTimeout
from gateway.telemetry.metrics import VisionMetrics

log = structlog.get_logger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 20.0


@frozen
class Limits:
    """What an image may take: pixels, and seconds."""

    max_pixels: int
    timeout_s: float


@define(eq=False)
class VisionProvider:
    """A Provider. Made by `opened`, which also closes its connections."""

    _endpoint: Endpoint
    _turns: Turns
    _template: str
    _settings: VisionSettings
    _helpers: HelperProcesses
    _limits: Limits
    _metrics: VisionMetrics
    _clock: Clock
    _health: Health
    name: str = "vision"
    _declined: set[str] = field(init=False, factory=set)
    """Members of a request that the model does not take."""

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        settings: VisionSettings,
        helpers: HelperProcesses,
        limits: Limits,
        metrics: VisionMetrics,
        clock: Clock | None = None,
    ) -> AsyncIterator["VisionProvider"]:
        """Nothing is asked before the first image. Raises CanNotStart when the prompt can't be read."""
        template = template_of(settings)
        clock = clock or SystemClock()
        turns = Turns(clock, settings.max_in_flight, settings.max_per_minute)
        async with Endpoint.opened(settings) as endpoint:
            health = Health(settings.host)
            yield cls(endpoint, turns, template, settings, helpers, limits, metrics, clock, health)

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        """As Provider says; `file_name` stays here, for it may name people and places."""
        try:
            picture = await self._helpers.run(
                prepared,
                image,
                self._settings.longest_side,
                self._limits.max_pixels,
                self._settings.send_location,
                timeout_s=self._limits.timeout_s,
            )
            words = await self._words(picture)
        except (AnalysisFailed, HelperDied, HelperTimeout) as error:
            outcome = error.code.removeprefix("analysis_") if isinstance(error, AnalysisFailed) else "failed"
            self._metrics.images.of(outcome=outcome).add()
            raise
        self._metrics.images.of(outcome="described").add()
        return words

    async def _words(self, picture: Picture) -> Metadata:
        """By as many requests as it takes, and as are allowed."""
        try:
            async with self._turns.turn(most_pause_s=self._limits.timeout_s):
                deadline = self._clock.monotonic() + self._limits.timeout_s
                return await self._ask(picture, deadline)
        except PauseTooLong as error:
            raise _limited(error.seconds) from error
        except RequestFailed as error:
            return await self._ask_again(picture, deadline, error)

    async def _ask_again(self, picture: Picture, deadline: float, failure: RequestFailed) -> Metadata:
        tries = 1
        while True:
            await self._pause_after(failure, tries, deadline)
            left_s = deadline - self._clock.monotonic()
            try:
                async with self._turns.turn(most_pause_s=left_s, within_s=left_s):
                    return await self._ask(picture, deadline)
            except PauseTooLong as error:
                raise _limited(error.seconds) from error
            except TimeoutError as error:
                raise self._given_up(failure) from error
            except RequestFailed as error:
                failure, tries = error, tries + 1

    async def _ask(self, picture: Picture, deadline: float) -> Metadata:
        """By one request. Raises RequestFailed."""
        body = self._body(picture)
        left_s = max(deadline - self._clock.monotonic(), 0.0)
        with self._tallied():
            reply = await self._endpoint.ask(body, within_s=min(self._settings.request_timeout_s, left_s))
            self._count(reply.usage)
            words = reply.words()
        self._health.answered()
        return Metadata(words.title, words.description, words.keywords, f"{self.name}/{self._settings.model}")

    def _body(self, picture: Picture) -> bytes:
        prompt = prompt_for(self._template, self._settings.language, picture.position)
        return request_body(self._settings, prompt, picture.data_url, self._declined)

    async def _pause_after(self, failure: RequestFailed, tries: int, deadline: float) -> None:
        """Until another request makes sense. Raises AnalysisFailed when none does."""
        if failure.declined:
            self._declined.add(failure.declined)
        wanted_s = failure.retry_after_s or 0.0
        if wanted_s:
            self._turns.pause(wanted_s)
        if tries >= self._most_tries(failure):
            raise self._given_up(failure) from failure
        pause_s, left_s = _full_jitter(tries), deadline - self._clock.monotonic()
        if wanted_s >= left_s:
            raise _limited(wanted_s) from failure
        if pause_s >= left_s:
            raise self._given_up(failure) from failure
        log.info(
            "vision request failed, another follows",
            reason=str(failure),
            after_s=round(max(pause_s, wanted_s), 1),
        )
        await self._clock.sleep(pause_s)

    def _most_tries(self, failure: RequestFailed) -> int:
        if failure.is_down and self._health.is_down:
            return 1
        return min(self._settings.max_tries, failure.most_tries or self._settings.max_tries)

    def _given_up(self, failure: RequestFailed) -> AnalysisFailed:
        """What is said of the image."""
        if failure.is_down:
            self._health.lost_an_image(str(failure))
        else:
            self._health.answered()
        return failure.failure

    @contextmanager
    def _tallied(self) -> Iterator[None]:
        """The request inside is counted by what comes of it."""
        begun = perf_counter()
        outcome = "cancelled"
        try:
            yield
            outcome = "ok"
        except RequestFailed as failure:
            outcome = failure.outcome
            raise
        finally:
            self._metrics.requests.of(outcome=outcome).add()
            self._metrics.request_seconds.observe(perf_counter() - begun)

    def _count(self, usage: Usage) -> None:
        self._metrics.tokens.of(kind="prompt").add(usage.prompt_tokens)
        self._metrics.tokens.of(kind="completion").add(usage.completion_tokens)
        self._metrics.cost.add(usage.cost)


def _limited(seconds: float) -> Down:
    return Down(f"The vision endpoint wants no request for {seconds:.0f} s, longer than this image may wait.")


def _full_jitter(tries: int) -> float:
    """Seconds before the next request: anything up to a bound that doubles, so that many don't come in step."""
    return random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tries - 1)))  # noqa: S311 no secret
