"""An answer that goes on, and whether something on the way holds it back.

Some proxies gather all of an answer, and some pass on what comes right behind its head and gather the rest, as nginx
does: an opening proves nothing. Until something has come behind it, the job itself is asked whether there was news.
"""

import asyncio
from collections.abc import AsyncGenerator

import aiohttp
from attrs import define, field

from gateway.client.answers import Event
from gateway.client.errors import NoGateway, Refused, Unreachable
from gateway.client.failures import silent
from gateway.client.http import Http
from gateway.client.live.doors.door import HeldBack
from gateway.client.polling import Polling
from gateway.client.silence import Silence
from gateway.client.websocket import Frame


@define(eq=False)
class Stream:
    """The body of an answer with the news of that job. `last` is its last event that has come."""

    _http: Http
    _job_id: str
    _content: aiohttp.StreamReader
    last: Event | None = field(init=False, default=None)
    _silence: Silence = field(init=False)
    _passes: bool = field(init=False, default=False)
    """It is passed on as it comes."""

    @_silence.default
    def _until_it_opens(self) -> Silence:
        return Silence(self._http.open_s)

    def has_told(self, event: Event, frame: Frame) -> None:
        self.last = event
        self._silence.expect_heartbeats(frame)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """As they come. Raises HeldBack when they do not."""
        while piece := await self._piece():
            self._passes = self.last is not None
            yield piece

    async def _piece(self) -> bytes:
        loop, is_overdue = asyncio.get_running_loop(), False
        dead_at = loop.time() + (self._silence.bound_s or self._http.silence_s)
        while True:
            try:
                async with asyncio.timeout_at(min(dead_at, loop.time() + self._patience_s)):
                    return await self._content.readany()
            except TimeoutError:
                if is_overdue or loop.time() >= dead_at:
                    raise self._held_back() from None
            is_overdue = not self._passes and await self._has_news()

    @property
    def _patience_s(self) -> float:
        """After which a stream that may be held back is looked after."""
        return float("inf") if self._passes else self._http.open_s

    async def _has_news(self) -> bool:
        """Whether there is any that was not told. Where nobody knows, the silence will tell."""
        try:
            job = await Polling(self._http).status(self._job_id)
        except (Refused, Unreachable, NoGateway):
            return False
        return self.last is not None and (job.is_final or job.id != self.last.id)

    def _held_back(self) -> HeldBack:
        bound_s = self._silence.bound_s or self._http.silence_s
        return HeldBack(silent(self._http.address.shown, bound_s if self._passes else self._http.open_s))
