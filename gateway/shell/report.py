"""What a person sees of a submission: a live bar on a terminal, else one plain line for each image that ended.

Names and texts come from files and from a gateway: what can't be printed is shown as `?`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import click
from attrs import define, field, frozen
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gateway.client import Image


@frozen
class Failure:
    """A photo that did not get through, and why."""

    name: Path
    why: str


class Report(Protocol):
    def accepted(self, job_id: str, images: int) -> None:
        """The gateway has taken a batch."""

    def completed(self, name: Path, image: Image, saved: Path | None) -> None:
        """An image is tagged, and its copy saved if one was asked for."""

    def failed(self, failure: Failure) -> None:
        """An image is lost to this run."""


@define
class Lines:
    """For files and pipes."""

    total: int
    _ended: int = 0

    def accepted(self, job_id: str, images: int) -> None:
        click.echo(f"job {job_id}: {counted(images)} accepted")

    def completed(self, name: Path, image: Image, saved: Path | None) -> None:
        title = image.metadata.title if image.metadata else ""
        self._line(
            " ".join(filter(None, [printable(name), f"-> {printable(saved)}" if saved else "", title]))
        )

    def failed(self, failure: Failure) -> None:
        self._line(f"{printable(failure.name)} failed: {printable(failure.why)}")

    def _line(self, text: str) -> None:
        self._ended += 1
        click.echo(f"[{self._ended}/{self.total}] {printable(text)}")


@define
class Bar:
    """For a terminal; failures stay above the bar."""

    _progress: Progress
    _task: TaskID = field(init=False)
    total: int = 0

    def __attrs_post_init__(self) -> None:
        self._task = self._progress.add_task("tagging", total=self.total)

    def accepted(self, job_id: str, images: int) -> None:
        """The bar speaks of images alone."""

    def completed(self, name: Path, image: Image, saved: Path | None) -> None:
        self._progress.update(self._task, advance=1, description=printable(name)[-40:])

    def failed(self, failure: Failure) -> None:
        line = f"{printable(failure.name)} failed: {printable(failure.why)}"
        self._progress.console.print(line, markup=False, highlight=False)
        self._progress.advance(self._task)


@contextmanager
def live_report(total: int) -> Iterator[Report]:
    """The report that fits where standard output goes."""
    console = Console()
    if not console.is_terminal:
        yield Lines(total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, total=total)


def summary(total: int, failures: Sequence[Failure]) -> str:
    """How it went, with every failure by name."""
    if not failures:
        return f"{counted(total)} sent, nothing failed."
    lines = (f"  {printable(failure.name)}: {printable(failure.why)}" for failure in failures)
    return "\n".join([f"{len(failures)} of {counted(total)} failed:", *lines])


def counted(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"


def printable(text: object) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(text))
