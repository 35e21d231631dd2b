"""Sends photos to a gateway in batches, follows them to their ends and saves the tagged copies.

A few batches are under way at once; the gateway's own pace is the brake. What fails, fails alone, and is reported.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path

import click
from attrs import define, field

from gateway.client import FROM_THE_START, ClientError, Closed, GatewayClient, Image, Refused, Submitted
from gateway.shell.output import OutputFolder
from gateway.shell.plan import Failure, Found, Photo, batches
from gateway.shell.report import Report, live_report

BATCHES_AT_ONCE = 4
UPLOADS_AT_ONCE = 2
DOWNLOADS_AT_ONCE = 4
NO_COPY = {
    "not_ready": "the gateway has not got it ready yet",
    "image_not_kept": "the gateway has not kept it",
}
REFUSED_OPTIONS = frozenset({"metadata_options_refused", "bad_option", "unknown_field"})
"""The last one is the word of a gateway that knows no options yet."""
TOO_MUCH_TO_DO = 1013
"""The close code of a gateway that sends its clients away for a while."""


class OptionsRefused(ClientError):
    """The gateway takes no batch with what is asked for."""


async def send_photos(
    url: str,
    found: Found,
    *,
    follow: bool,
    output: OutputFolder | None,
    batch_size: int,
    metadata: Mapping[str, str],
) -> "Submission":
    """Send them and report on the way.

    Raises Unreachable or NoGateway when no gateway answers at the beginning, OptionsRefused when it takes none with
    `metadata`.
    """
    job_ids: list[str] = []
    async with GatewayClient(url) as gateway:
        await gateway.check()
        with telling_jobs_when_stopped(job_ids), live_report(found.total) as report:
            submission = Submission(gateway, report, output, follow, metadata, job_ids=job_ids)
            submission.fail(found.failures)
            await submission.send(batches(found.photos, batch_size))
    return submission


@contextmanager
def telling_jobs_when_stopped(job_ids: Sequence[str]) -> Iterator[None]:
    """Somebody who stops the command should know what goes on all the same."""
    try:
        yield
    except asyncio.CancelledError:
        accepted = ", ".join(job_ids) or "none"
        click.echo(f"Stopped. Jobs that were accepted go on without us: {accepted}", err=True)
        raise


@define(eq=False)
class Submission:
    """One run of `gateway submit`. `failures`, `tagged` and `job_ids` tell what became of it."""

    gateway: GatewayClient
    report: Report
    output: OutputFolder | None = None
    follow: bool = True
    metadata: Mapping[str, str] = field(factory=dict)
    failures: list[Failure] = field(factory=list)
    tagged: int = 0
    job_ids: list[str] = field(factory=list)
    _uploads: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(UPLOADS_AT_ONCE))
    _downloads: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(DOWNLOADS_AT_ONCE))

    async def send(self, batches: Iterable[Sequence[Photo]]) -> None:
        """Send all of them; returns when the last image has ended, or is accepted if nobody follows.

        Raises OptionsRefused: it would be so for each.
        """
        waiting = iter(batches)
        refusals: list[Exception] = []
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(BATCHES_AT_ONCE):
                    workers.create_task(self._work(waiting))
        except* OptionsRefused as group:
            refusals += group.exceptions
        if refusals:
            raise refusals[0]

    async def accepted(self, job_id: str, names: Sequence[Path]) -> None:
        """The gateway has taken a job of these images.

        Returns when the last of them has ended, or at once if nobody follows.
        """
        self.job_ids.append(job_id)
        self.report.accepted(job_id, len(names))
        if self.follow:
            await self._follow(job_id, dict(enumerate(names)))

    def fail(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            self.failures.append(failure)
            self.report.failed(failure)

    async def _work(self, waiting: Iterator[Sequence[Photo]]) -> None:
        for batch in waiting:
            await self._send_batch(batch)

    async def _send_batch(self, batch: Sequence[Photo]) -> None:
        photos = [photo for photo in batch if self._can_be_read(photo)]
        if not photos:
            return
        try:
            async with self._uploads:
                submitted = await self._submit(photos)
        except OptionsRefused:
            raise
        except (ClientError, OSError) as error:
            self._fail_all([photo.name for photo in photos], str(error))
            return
        await self.accepted(submitted.job_id, [photo.name for photo in photos])

    async def _submit(self, photos: Sequence[Photo]) -> Submitted:
        """Waits while the gateway is busy or away."""
        paths = [photo.path for photo in photos]
        try:
            submitted = await self.gateway.submit(paths, self.metadata, on_wait=self._wait)
        except Refused as error:
            self._mind_refused_options(error)
            raise
        self.report.going_on()
        return submitted

    def _mind_refused_options(self, error: Refused) -> None:
        """Raises OptionsRefused if it is that."""
        if self.metadata and error.code in REFUSED_OPTIONS:
            told = ", ".join(f"--{name}" for name in self.metadata)
            raise OptionsRefused(f"the gateway does not take {told}: {error}") from error

    async def _follow(self, job_id: str, open_photos: dict[int, Path]) -> None:
        """Until every photo of the job, by its index, has left `open_photos` and is finished with."""
        async with asyncio.TaskGroup() as endings:
            try:
                await self._watch(job_id, open_photos, endings)
                why = f"job {job_id} ended without a word about it"
            except ClientError as error:
                why = f"{error} (job {job_id})"
            self._fail_all(list(open_photos.values()), why)

    async def _watch(self, job_id: str, open_photos: dict[int, Path], endings: asyncio.TaskGroup) -> None:
        """An event that is the present state has all images; where ends are left out, the job itself has them."""
        news = self.gateway.follow(job_id, FROM_THE_START, images=True, on_wait=self._wait)
        async with aclosing(news) as events:
            async for event in events:
                self.report.going_on()
                told = (event.image,) if event.image else event.images
                if event.is_last and open_photos:
                    told = (await self.gateway.wait(job_id, on_wait=self._wait)).images
                self._end(endings, job_id, told, open_photos)

    def _end(
        self,
        endings: asyncio.TaskGroup,
        job_id: str,
        images: Sequence[Image],
        open_photos: dict[int, Path],
    ) -> None:
        for image in images:
            if image.is_final and (name := open_photos.pop(image.index, None)):
                endings.create_task(self._finish(job_id, name, image))

    async def _finish(self, job_id: str, name: Path, image: Image) -> None:
        if image.status != "completed":
            self._fail(name, _why(image))
            return
        self.tagged += 1
        try:
            saved = await self._save(job_id, name, image.index)
        except (ClientError, OSError) as error:
            self._fail(name, f"tagged, but its copy could not be saved: {_why_no_copy(error)}")
            return
        self.report.completed(name, image, saved)

    async def _save(self, job_id: str, name: Path, index: int) -> Path | None:
        if self.output is None:
            return None
        async with self._downloads:
            return await self.output.save(
                name, lambda place: self.gateway.download(job_id, index, place, on_wait=self._wait)
            )

    def _can_be_read(self, photo: Photo) -> bool:
        is_readable = os.access(photo.path, os.R_OK)
        if not is_readable:
            self._fail(photo.name, "can't be read")
        return is_readable

    def _fail_all(self, names: Sequence[Path], why: str) -> None:
        self.fail(Failure(name, why) for name in names)

    def _fail(self, name: Path, why: str) -> None:
        self.fail([Failure(name, why)])

    def _wait(self, error: ClientError) -> None:
        self.report.waiting(why_waiting(error))


def why_waiting(error: ClientError) -> str:
    """For a person, who may be the one to mend it."""
    if isinstance(error, Closed) and error.code == TOO_MUCH_TO_DO:
        return f"gateway busy, waiting: {error}"
    if not isinstance(error, Refused):
        return "gateway away, waiting"
    return f"gateway {'away' if error.by_proxy else 'busy'}, waiting: {error}"


def _why_no_copy(error: ClientError | OSError) -> str:
    """Of the photo: the gateway's own texts count images within their batch, which nobody sees here."""
    if isinstance(error, Refused):
        return NO_COPY.get(error.code, str(error))
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _why(image: Image) -> str:
    if image.status == "cancelled":
        return "cancelled"
    return (
        f"{image.error or 'no reason given'} ({image.code})"
        if image.code
        else image.error or "no reason given"
    )
