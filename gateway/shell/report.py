"""What a person sees of a submission: a live bar on a terminal, else one plain line for each image that ended.

The bar goes when all is done or someone stops it; what it leaves are the failures, and then the summary.

Names and texts come from files and from a gateway: what can't be printed is shown as `?`.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import click
from attrs import define, field
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gateway.client import Image
from gateway.shell.plan import Failure

AT_WORK = "tagging"


class Report(Protocol):
    def accepted(self, job_id: str, images: int) -> None:
        """The gateway has taken a batch."""

    def completed(self, name: Path, image: Image, saved: Path | None) -> None:
        """An image is tagged, and its copy saved if one was asked for."""

    def failed(self, failure: Failure) -> None:
        """An image is lost to this run."""

    def waiting(self, why: str) -> None:
        """Nothing goes on, for a reason on the gateway's side."""

    def going_on(self) -> None:
        """The gateway is there again, or still."""


@define
class Lines:
    """For files and pipes."""

    total: int
    _ended: int = 0
    _why_waiting: str = ""

    def accepted(self, job_id: str, images: int) -> None:
        click.echo(f"job {job_id}: {counted(images)} accepted")

    def completed(self, name: Path, image: Image, saved: Path | None) -> None:
        title = image.metadata.title if image.metadata else ""
        self._line(
            " ".join(filter(None, [printable(name), f"-> {printable(saved)}" if saved else "", title]))
        )

    def failed(self, failure: Failure) -> None:
        self._line(f"{printable(failure.name)} failed: {printable(failure.why)}")

    def waiting(self, why: str) -> None:
        if why != self._why_waiting:
            click.echo(printable(why))
        self._why_waiting = why

    def going_on(self) -> None:
        self._why_waiting = ""

    def _line(self, text: str) -> None:
        self._ended += 1
        click.echo(f"[{self._ended}/{self.total}] {printable(text)}")


@define
class Bar:
    """For a terminal; failures stay above the bar."""

    _progress: Progress
    _task: TaskID = field(init=False)
    total: int = 0
    _is_waiting: bool = False

    def __attrs_post_init__(self) -> None:
        self._task = self._progress.add_task(AT_WORK, total=self.total)

    def accepted(self, job_id: str, images: int) -> None:
        """The bar speaks of images alone."""

    def completed(self, name: Path, image: Image, saved: Path | None) -> None:
        self._progress.update(self._task, advance=1, description=printable(name)[-40:])

    def failed(self, failure: Failure) -> None:
        line = f"{printable(failure.name)} failed: {printable(failure.why)}"
        self._progress.console.print(line, markup=False, highlight=False)
        self._progress.advance(self._task)

    def waiting(self, why: str) -> None:
        self._is_waiting = True
        self._progress.update(self._task, description=printable(why))

    def going_on(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._progress.update(self._task, description=AT_WORK)


class _Narrow(Progress):
    """Leaves room for the `^C` that a terminal writes behind it: in a new line it would keep the bar from going."""

    def get_renderable(self) -> RenderableType:
        return Padding(super().get_renderable(), (0, 3, 0, 0))


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
    with _Narrow(*columns, console=console, transient=True) as progress:
        yield Bar(progress, total=total)


def show_failures(failures: Sequence[Failure]) -> None:
    """All of them on standard error, unless they stand above the bar on the same terminal."""
    if failures and not (Console().is_terminal and sys.stderr.isatty()):
        click.echo(f"{len(failures)} failed:", err=True)
        for failure in failures:
            click.echo(f"  {printable(failure.name)}: {printable(failure.why)}", err=True)


def counted(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"


def printable(text: object) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(text))
