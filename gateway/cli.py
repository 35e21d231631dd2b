"""The shell's door: `gateway serve | config | health | submit | demo`.

Quick to start, for what a command needs is imported by it alone. An error that we foresaw is one line on standard
error; the exit code is 0 for all well, 1 for something that failed, 2 for a wrong call, wrong settings or a gateway
that does not answer.
"""

import asyncio
import gc
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gateway.settings import LoadedSettings
    from gateway.shell.plan import Photo

T = TypeVar("T")

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
DEFAULT_URL = "http://127.0.0.1:8080"
URL_FORMS = "http://..., https://..., unix:///path/of/socket"
SAMPLES = Path(__file__).resolve().parent.parent / "examples" / "photos"

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings in TOML; without it, the defaults.",
)


class Failed(click.ClickException):
    """Something failed: one line, exit code 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"gateway: {self.message}", err=True)


class Wrong(Failed):
    """A wrong call, wrong settings or a gateway that does not answer: one line, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="batch-gateway", prog_name="gateway")
def main() -> None:
    """Batch gateway for images: submit, tag, follow, fetch."""


@main.command()
@config_option
def serve(config: Path | None) -> None:
    """Run the gateway until it is told to stop."""
    gc.disable()  # nothing that a start makes is garbage, and looking for some took a tenth of its time
    settings = _load(config).settings
    from gateway.errors import GatewayError
    from gateway.serving import run
    from gateway.telemetry.logs import set_up_logs

    set_up_logs(settings.log)
    gc.freeze()  # nor will it ever be: each later collection is spared the look at it
    gc.enable()
    try:
        status = run(settings)
    except GatewayError as error:
        raise Failed(str(error)) from error
    raise SystemExit(status)


@main.command("config")
@config_option
def show_config(config: Path | None) -> None:
    """Print the settings in force, each with its origin; secrets are masked."""
    loaded = _load(config)
    from gateway.settings import describe

    click.echo(describe(loaded), nl=False)


@main.command()
@config_option
def health(config: Path | None) -> None:
    """Exit with 0 if the gateway of these settings is alive; for a container's health check."""
    settings = _load(config).settings
    from gateway.shell.health import ask

    try:
        ask(settings.http)
    except OSError as error:
        raise Failed(f"not healthy: {error}") from error


def _gateway_url(_: click.Context, __: click.Parameter, url: str) -> str:
    from gateway.client import GatewayClient

    try:
        return GatewayClient(url).base_url
    except ValueError:
        raise click.BadParameter(f"{url!r} is none of {URL_FORMS}") from None


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--gateway", "url", envvar="GATEWAY_URL", default=DEFAULT_URL, show_default=True, metavar="URL",
              callback=_gateway_url, help=f"{URL_FORMS}; also by GATEWAY_URL.")  # fmt: skip
@click.option(
    "--follow/--no-follow", default=True, help="Wait until every image has ended (default), or only send."
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the tagged copies there; nothing that lies there is overwritten.")  # fmt: skip
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=100, show_default=True, help="Images in one batch."
)
def submit(paths: Sequence[Path], url: str, follow: bool, output: Path | None, batch_size: int) -> None:
    """Send photos, and folders of JPEG and PNG files, to a running gateway."""
    if output and not follow:
        raise click.UsageError("--output needs --follow")
    photos = _photos(paths, leave_out=output)
    from gateway.shell.report import summary
    from gateway.shell.submit import send_photos

    submission = _run(send_photos(url, photos, follow=follow, output=output, batch_size=batch_size))
    click.echo(summary(len(photos), submission.failures), err=bool(submission.failures))
    raise SystemExit(Failed.exit_code if submission.failures else 0)


@main.command()
@click.option("--photos", "folder", type=click.Path(exists=True, path_type=Path), default=SAMPLES, metavar="DIR",
              help="Other photos than the samples.")  # fmt: skip
def demo(folder: Path) -> None:
    """Start a gateway of its own, tag sample photos and show what came of it."""
    photos = _photos([folder])
    from gateway.shell.demo import run_demo

    raise SystemExit(0 if _run(run_demo(photos)) else Failed.exit_code)


def _load(config: Path | None) -> "LoadedSettings":
    from gateway.settings import SettingsError, load

    try:
        return load(config, os.environ)
    except SettingsError as error:
        raise Wrong(str(error)) from error


def _photos(paths: Sequence[Path], leave_out: Path | None = None) -> "list[Photo]":
    from gateway.shell.plan import find_photos

    try:
        photos = find_photos(paths, leave_out=leave_out)
    except OSError as error:
        raise Wrong(f"{error.filename}: {error.strerror}") from error
    if not photos:
        raise Wrong("no JPEG or PNG files there")
    return photos


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end; what it raises ends the command in one line."""
    from gateway.client import ClientError, Unreachable
    from gateway.shell.demo import DemoFailed

    try:
        return asyncio.run(work)
    except Unreachable as error:
        raise Wrong(str(error)) from error
    except (ClientError, DemoFailed, OSError) as error:
        raise Failed(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(INTERRUPTED) from None
