"""What may be asked of a gateway, over HTTP and WebSocket, by TCP or a Unix socket."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self

from attrs import define, field, validators

from gateway.client.answers import (
    DeadLetter,
    Event,
    Image,
    Job,
    SentAgain,
    Submitted,
    read_dead_letter,
    read_event,
    read_image,
    read_job,
    read_requeued,
    read_submitted,
)
from gateway.client.errors import ClientError, Refused, Unreachable
from gateway.client.http import Http
from gateway.client.tries import FIRST_PAUSE_S, LONGEST_PAUSE_S, TRY_AGAIN, until_answered
from gateway.client.upload import Body, ImageSource, body_of, watched

BASE_URL = r"https?://[^/?#\s]+(/[^?#\s]*)?|unix:(//)?/.+"

PIECE_BYTES = 256 * 1024
READY_PAUSE_S = 0.1


@define(eq=False)
class GatewayClient:
    """A gateway at `base_url`: http://host:port, https://host/prefix or unix:///path/of/socket; else ValueError.

    Use it as an async context manager. Calls raise Refused when the gateway says no, Unreachable when it says
    nothing. `patience_s` is how long `follow`, `submit` and `retry` go on trying while no gateway answers, `ready_s`
    how long `download` does while the image is not ready, `silence_s` how long a gateway may say nothing, or take
    nothing of what is sent, before it counts as away.
    """

    base_url: str = field(validator=validators.matches_re(BASE_URL))
    patience_s: float = 60.0
    ready_s: float = 3.0
    silence_s: float = 60.0
    _http: Http = field(init=False)

    @_http.default
    def _at_base_url(self) -> Http:
        return Http(self.base_url, self.silence_s)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.__aexit__()

    async def submit(
        self,
        images: Sequence[ImageSource],
        metadata: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
        on_wait: Callable[[ClientError], None] = lambda _: None,
    ) -> Submitted:
        """Send a batch. Files stream from disk; beside URLs, files and bytes are held in memory as base64.

        `metadata` says what becomes of words that the images have already: `replace`, `append` or `keep` for each of
        title, description and keywords, or nothing of it. A gateway whose services would not heed it refuses it.

        It is sent again while the gateway is busy or away, up to `patience_s` after the first try that failed, and
        taken once: each try has the same idempotency key. `on_wait` is told each time why it has to wait. All calls
        with one `key` make one job, within a day; without it a call has a key of its own. Raises OSError for a file
        that can't be read.
        """
        options = {"metadata": dict(metadata)} if metadata else {}
        body = await asyncio.to_thread(body_of, images, options)
        send = partial(self._send, body, _with_key(key))
        return self._http.read(read_submitted, await until_answered(send, self.patience_s, on_wait))

    async def retry(
        self,
        job_id: str,
        indices: Sequence[int] | None = None,
        *,
        key: str | None = None,
        on_wait: Callable[[ClientError], None] = lambda _: None,
    ) -> Submitted:
        """Have failed images of a job tried again, as a new job: those of these indices, in this order, or all.

        No image is sent a second time. It is asked for again, and done once, as `submit` is.
        """
        said = {} if indices is None else {"images": list(indices)}
        ask = partial(self._http.json, "POST", f"batch/{job_id}/retry", json=said, headers=_with_key(key))
        return self._http.read(read_submitted, await until_answered(ask, self.patience_s, on_wait))

    async def status(self, job_id: str) -> Job:
        """The job with all its images."""
        return self._http.read(read_job, await self._http.json("GET", f"batch/{job_id}"))

    async def jobs(self, *, status: str | None = None) -> AsyncIterator[Job]:
        """All jobs, newest first, without their images."""
        async for page in self._pages("batch", {"status": status} if status else {}):
            for job in page.get("jobs", ()):
                yield self._http.read(read_job, job)

    async def images(
        self, *, keyword: str | Sequence[str] = (), status: str | None = None
    ) -> AsyncIterator[Image]:
        """Images of all jobs, those of the newest first: with the keyword, or all of several, and with that status."""
        query: dict[str, Any] = {"keyword": keyword}
        async for page in self._pages("images", query | ({"status": status} if status else {})):
            for image in page.get("images", ()):
                yield self._http.read(read_image, image)

    async def image(self, job_id: str, index: int) -> Image:
        """One image of a job."""
        return self._http.read(read_image, await self._http.json("GET", f"batch/{job_id}/images/{index}"))

    async def dead_letters(self) -> AsyncIterator[DeadLetter]:
        """Messages that an analyzer rejected, newest first."""
        async for page in self._pages("dead-letters", {}):
            for letter in page.get("dead_letters", ()):
                yield self._http.read(read_dead_letter, letter)

    async def requeue(self, dead_letter_id: str) -> SentAgain | Submitted:
        """Have the image of a dead letter sent again, in a new job if it has failed; the letter is gone then.

        Not tried again after Unreachable: who asks once more and is Refused (404) had reached the gateway before.
        """
        return self._http.read(
            read_requeued, await self._http.json("POST", f"dead-letters/{dead_letter_id}/requeue")
        )

    async def delete_dead_letter(self, dead_letter_id: str) -> None:
        """Its image stays as it is."""
        async with self._http.answer("DELETE", f"dead-letters/{dead_letter_id}"):
            pass

    async def delete_dead_letters(self) -> int:
        """All of them; how many there were."""
        answer = await self._http.json("DELETE", "dead-letters")
        return self._http.read(lambda told: int(told["deleted"]), answer)

    async def download(self, job_id: str, index: int, to: Path, *, which: str = "processed") -> str:
        """Write the processed (or `original`) image to that file, whole or not at all.

        Returns the name that the gateway has for it, which ends as its content demands. Given a moment when the
        image is not ready yet: the news of its end may have been quicker than the image.
        """
        deadline = asyncio.get_running_loop().time() + self.ready_s
        while True:
            try:
                async with self._http.answer("GET", f"batch/{job_id}/images/{index}/{which}") as response:
                    await _save(response.content.iter_chunked(PIECE_BYTES), to)
                    disposition = response.content_disposition
                    return (disposition and disposition.filename) or to.name
            except Refused as error:
                if error.code != "not_ready" or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(READY_PAUSE_S)

    async def follow(
        self,
        job_id: str,
        after: str | None = None,
        *,
        on_wait: Callable[[ClientError], None] = lambda _: None,
    ) -> AsyncIterator[Event]:
        """The job's present state, then its news until its end, over as many connections as it takes.

        After a lost connection it goes on behind the last event; `after`, an event's id, does so from the start.
        `on_wait` is told each time why it has to wait before another try.
        """
        loop = asyncio.get_running_loop()
        pause_s, answered_at = FIRST_PAUSE_S, loop.time()
        while True:
            try:
                async for event in self._news(job_id, after):
                    yield event
                    if event.is_last:
                        return
                    after, pause_s, answered_at = event.id, FIRST_PAUSE_S, loop.time()
            except Refused as error:
                if error.status not in TRY_AGAIN:
                    raise
                answered_at = loop.time()
                on_wait(error)
            except Unreachable as error:
                if loop.time() - answered_at > self.patience_s:
                    raise
                on_wait(error)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads clients, keeps no secret
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def check(self) -> None:
        """Returns when a gateway answers there. Raises NoGateway when something else does."""
        if (await self._http.json("GET", "/healthz")).get("status") != "ok":
            raise self._http.no_gateway()

    async def _news(self, job_id: str, after: str | None) -> AsyncIterator[Event]:
        """The events of one connection, which may end at any time."""
        query = {"after": after} if after else {}
        try:
            async with aclosing(self._http.frames(f"batch/{job_id}/ws", query)) as frames:
                async for frame in frames:
                    yield self._http.read(read_event, frame)
        except Refused as error:
            if error.status != 404:
                raise
            raise Refused(404, f"There is no job {job_id}.", code="job_not_found") from error

    async def _send(self, body: Body, headers: Mapping[str, str]) -> Mapping[str, Any]:
        """The answer to a batch. Nothing in aiohttp ends a body that the gateway stops taking, so we do."""
        try:
            async with asyncio.timeout(None) as taking:
                data = watched(body.stream(), taking, self.silence_s)
                return await self._http.json("POST", "batch", data=data, headers={**headers, **body.headers})
        except TimeoutError as error:
            raise Unreachable(f"the gateway at {self.base_url} takes nothing more of what is sent") from error
        except Unreachable as error:
            raise body.failure or error from error

    async def _pages(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        cursor: dict[str, str] = {}
        while True:
            page = await self._http.json("GET", path, params={**query, **cursor})
            yield page
            if not page.get("next_cursor"):
                return
            cursor = {"cursor": page["next_cursor"]}


def _with_key(key: str | None) -> Mapping[str, str]:
    """The key as a string of structured fields (RFC 9651); None: one of its own."""
    key = secrets.token_hex(16) if key is None else key
    return {"Idempotency-Key": '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'}


async def _save(pieces: AsyncIterator[bytes], to: Path) -> None:
    """A file beside it takes the bytes, then its place."""
    part = to.with_name(f".{to.name[:40]}.{secrets.token_hex(4)}.part")
    file = await asyncio.to_thread(part.open, "xb")
    try:
        with file:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_settle, file)
        await asyncio.to_thread(part.replace, to)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
