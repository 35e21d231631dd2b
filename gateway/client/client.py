"""What may be asked of a gateway, over HTTP and WebSocket, by TCP or a Unix socket."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from attrs import define, field

from gateway.client.address import Address
from gateway.client.answers import (
    DeadLetter,
    Event,
    Image,
    Job,
    JobsNews,
    SentAgain,
    Submitted,
    read_dead_letter,
    read_image,
    read_job,
    read_requeued,
    read_submitted,
)
from gateway.client.coming_back import ComingBack
from gateway.client.download import download
from gateway.client.errors import ClientError
from gateway.client.http import Http
from gateway.client.live.all_jobs import AllJobs
from gateway.client.live.doors.way import Way
from gateway.client.live.jobs import Jobs, OnLost
from gateway.client.live.many_jobs import ManyJobs
from gateway.client.live.one_job import OneJob
from gateway.client.live.told import FROM_THE_START, Told
from gateway.client.pauses import SPREAD_S, Pauses
from gateway.client.polling import Polling
from gateway.client.results import Results
from gateway.client.sending import send_batch, with_key
from gateway.client.sources import ImageSource
from gateway.client.tries import until_answered
from gateway.client.upload import body_of

OnWait = Callable[[ClientError], None]
"""Is told each time why another try has to wait."""


def _say_nothing(_: ClientError) -> None:
    """For callers who do not mind."""


@define(eq=False)
class GatewayClient:
    """A gateway at `base_url`: http://host:port, https://host/prefix or unix:///path/of/socket; else ValueError.

    Use it as an async context manager. Calls raise Refused when the gateway says no, Unreachable when it says
    nothing. `patience_s` is how long calls that take `on_wait` go on trying while no gateway answers, `ready_s` how
    long `download` does while the image is not ready, `silence_s` how long a gateway may say nothing, or take nothing
    of what is sent, before it counts as away, `spread_s` the time over which clients of one that starts anew come back.

    Jobs are followed by WebSocket. Where a proxy lets none through, it is by server-sent events, and where it holds
    these back, by long polls: the same events, and nobody has to do anything about it. The client remembers for ten
    minutes which of these doors was open.

    What follows is an asynchronous generator: `contextlib.aclosing` ends its connection where it is left early.
    """

    base_url: str = field(repr=False)
    patience_s: float = 60.0
    ready_s: float = 3.0
    silence_s: float = 60.0
    spread_s: float = SPREAD_S
    _http: Http = field(init=False)
    _way: Way = field(init=False, repr=False, factory=Way)

    @_http.default
    def _at_base_url(self) -> Http:
        return Http(Address.of(self.base_url), self.silence_s)

    @property
    def address(self) -> str:
        """`base_url` without user and password, to be shown."""
        return self._http.address.shown

    @property
    def _polling(self) -> Polling:
        return Polling(self._http)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.__aexit__()

    async def submit(
        self,
        images: Iterable[ImageSource],
        metadata: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
        on_wait: OnWait = _say_nothing,
    ) -> Submitted:
        """Send a batch. Files stream from disk; beside URLs, files and bytes are held in memory as base64.

        `metadata` says what becomes of words that the images have already: `replace`, `append` or `keep` for each of
        title, description and keywords, or nothing of it. A gateway whose services would not heed it refuses it.

        It is sent again while the gateway is busy or away, up to `patience_s` after the first try that failed, and
        taken once: each try has the same idempotency key. `on_wait` is told each time why it has to wait. All calls
        with one `key` make one job, within a day; without it a call has a key of its own. Raises OSError for a file
        that can't be read, and, before anything is sent, TypeError and ValueError for what is no list of images.
        """
        options = {"metadata": dict(metadata)} if metadata else {}
        body = await asyncio.to_thread(body_of, images, options)
        send = partial(send_batch, self._http, body, with_key(key))
        return self._http.read(read_submitted, await until_answered(send, self.patience_s, on_wait))

    async def retry(
        self,
        job_id: str,
        indices: Sequence[int] | None = None,
        *,
        key: str | None = None,
        on_wait: OnWait = _say_nothing,
    ) -> Submitted:
        """Have failed images of a job tried again, as a new job: those of these indices, in this order, or all.

        No image is sent a second time. It is asked for again, and done once, as `submit` is.
        """
        said = {} if indices is None else {"images": list(indices)}
        ask = partial(self._http.json, "POST", f"batch/{job_id}/retry", json=said, headers=with_key(key))
        return self._http.read(read_submitted, await until_answered(ask, self.patience_s, on_wait))

    async def submit_and_follow(
        self,
        images: Iterable[ImageSource],
        metadata: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
        on_wait: OnWait = _say_nothing,
    ) -> tuple[Submitted, AsyncGenerator[Event, None]]:
        """Send a batch as `submit` does, and have its events from the very first one, as `follow` has them."""
        submitted = await self.submit(images, metadata, key=key, on_wait=on_wait)
        return submitted, self.follow(submitted.job_id, FROM_THE_START, images=True, on_wait=on_wait)

    async def status(self, job_id: str, *, wait_s: float = 0, after: str | None = None) -> Job:
        """The job with all its images.

        With `wait_s`, 1 to 60, it is answered when the job has news behind the event of the id `after`, or has ended,
        or that time is over; without `after`, and by an older gateway, at once.
        """
        return await self._polling.status(job_id, wait_s, after)

    async def wait(self, job_id: str, *, on_wait: OnWait = _say_nothing) -> Job:
        """The job when it has ended, asked for by long polls."""
        return await self._polling.ended(job_id, self._coming_back(on_wait))

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

    async def download(
        self,
        job_id: str,
        index: int,
        to: Path | str,
        *,
        which: str = "processed",
        on_wait: OnWait = _say_nothing,
    ) -> str:
        """Write the processed (or `original`) image to that file, whole or not at all.

        Returns the name that the gateway has for it, which ends as its content demands. Given a moment when the
        image is not ready yet: the news of its end may have been quicker than the image. It is asked for again where
        the connection is lost, or the gateway is busy or away.
        """
        path = f"batch/{job_id}/images/{index}/{which}"
        fetch = partial(download, self._http, path, Path(to), ready_s=self.ready_s)
        return await self._coming_back(on_wait).until_done(fetch)

    def follow(
        self,
        job_id: str,
        after: str | None = None,
        *,
        images: bool = False,
        on_wait: OnWait = _say_nothing,
    ) -> AsyncGenerator[Event, None]:
        """The job's present state, then its news until its end, over as many connections as it takes.

        `after` is an event's id: it goes on behind that one, or from the very first event with FROM_THE_START. The
        first event that comes tells whether it could (`resumed`). If not, it is the present state, and has the state of
        all `images` where they are asked for.

        After a lost connection it goes on behind the last event. It may have to begin anew, with the present state
        (`resumed` is False again), where the gateway's log has done so. No end of an image is told twice by
        `image_complete`, nor a state after a newer one. `on_wait` is told each time why another try has to wait.

        Raises Refused (404) for a job that is not there, or is deleted meanwhile, Closed where the gateway ends the
        connection for good, Unreachable when it stays away.
        """
        one_job = OneJob(self._http, self._way, job_id, Told(after), images=images)
        return self._coming_back(on_wait).over(one_job.connect)

    def follow_many(
        self,
        job_ids: Iterable[str],
        after: Mapping[str, str] | None = None,
        *,
        images: bool = False,
        on_lost: OnLost | None = None,
        on_wait: OnWait = _say_nothing,
    ) -> AsyncGenerator[Event, None]:
        """The events of many jobs over one connection, for each as `follow` has them, until the last job's end.

        `after` has ids of events by job. `on_lost` is told of a job that is not there, or no longer, and the others go
        on; without it, that is raised as Refused. More jobs than the gateway allows at a time get their turn as others
        end. One that can't be followed now is asked for again after a pause, and the others go on.

        Where there is no connection that carries all of them, with an older gateway or behind a proxy that lets no
        WebSocket through, they are followed one by one, eight at a time.
        """
        jobs = Jobs.of(job_ids, after or {}, on_lost)
        many = ManyJobs(self._http, self._way, jobs, images=images)
        return many.events(self._coming_back(on_wait))

    def follow_all(self, *, on_wait: OnWait = _say_nothing) -> AsyncGenerator[JobsNews, None]:
        """The newest jobs of the gateway, then each that is added, changes or is deleted, for ever.

        First comes a JobList, then JobChanged and JobDeleted. Whenever changes were missed, as when the gateway has
        started anew, there is a JobList again, and what was known before is to be forgotten. It has no other door than
        the WebSocket, and raises where none gets through.
        """
        return self._coming_back(on_wait).over(AllJobs(self._http).connect)

    def results(
        self, job_id: str, after: str | None = None, *, follow: bool = False, on_wait: OnWait = _say_nothing
    ) -> AsyncGenerator[Image, None]:
        """The job's images that have ended, in the order of their ends, none twice.

        Those behind the image of the id `after`; with `follow` until the job's end, else those that there are. After a
        lost connection it goes on behind the last one.
        """
        results = Results(self._http, job_id, after, follow=follow)
        return self._coming_back(on_wait).over(results.connect)

    async def check(self) -> None:
        """Returns when a gateway answers at that very address, and not where a redirect leads: nothing is sent there.

        Raises NoGateway when something else answers and no gateway ever has.
        """
        if (await self._http.json("GET", "/healthz", allow_redirects=False)).get("status") != "ok":
            raise self._http.other_server()

    def _coming_back(self, on_wait: OnWait) -> ComingBack:
        return ComingBack(self.patience_s, on_wait, Pauses(self.spread_s))

    async def _pages(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        cursor: dict[str, str] = {}
        while True:
            page = await self._http.json("GET", path, params={**query, **cursor})
            yield page
            if not page.get("next_cursor"):
                return
            cursor = {"cursor": page["next_cursor"]}
