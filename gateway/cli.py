"""The shell's door, `gateway`: serve, worker, config, health, submit, retry, images, dead-letters, requeue, demo.

Quick to start, for what a command needs is imported by it alone. An error that we foresaw is one line on standard
error; the exit code is 0 for all well, 1 for something that failed, 2 for a wrong call, wrong settings or a gateway
that does not answer.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from gateway.settings import HttpSettings, LoadedSettings, Settings
    from gateway.shell.output import OutputFolder
    from gateway.shell.plan import Found

T = TypeVar("T")

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
URL_FORMS = "http://..., https://..., unix:///path/of/socket"
ROLES = ("analyzer", "processor")
POLICIES = ("replace", "append", "keep")
ELSEWHERE = "--gateway URL or GATEWAY_URL names another address"
STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
SAMPLES = Path(__file__).resolve().parent.parent / "examples" / "photos"

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings in TOML; without it, the defaults.",
)


worker_option = click.option(
    "--worker", "role", type=click.Choice(ROLES), help="Of a worker, instead of the gateway."
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
    _begin_service()
    settings = _load(config).settings
    from gateway.serving import run_gateway

    _run_service(run_gateway, settings)


@main.command()
@click.argument("role", type=click.Choice(ROLES))
@config_option
def worker(role: str, config: Path | None) -> None:
    """Run the analyzer or the processor as a process of its own.

    It takes messages from the RabbitMQ of its gateway and images from its S3, until it is told to stop. Any number of
    them work side by side.
    """
    _begin_service()
    settings = _load(config, role).settings
    from gateway.serving import run_worker
    from gateway.settings import Role

    _run_service(run_worker, settings, Role(role))


@main.command("config")
@config_option
@worker_option
def show_config(config: Path | None, role: str | None) -> None:
    """Print the settings in force, each with its origin.

    Secrets are masked.
    """
    loaded = _load(config, role)
    from gateway.settings import describe

    click.echo(describe(loaded), nl=False)


@main.command()
@config_option
@worker_option
def health(config: Path | None, role: str | None) -> None:
    """Ask whether the gateway, or a worker, is alive.

    The one of these settings. The exit code is 0 if it is, for a container's health check.
    """
    http = _http(config, role)
    url = _url(http)
    from gateway.shell.health import ask

    try:
        ask(http)
    except OSError as error:
        raise Failed(f"not healthy: {url}: {error.strerror or error}") from error
    click.echo("healthy")


def _gateway_url(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    from gateway.client import GatewayClient

    try:
        return url and GatewayClient(url).base_url
    except ValueError as error:  # says nothing of the address itself, which may have a password
        raise click.BadParameter(str(error).removeprefix("base_url: ")) from None


gateway_option = click.option(
    "--gateway",
    "url",
    envvar="GATEWAY_URL",
    metavar="URL",
    callback=_gateway_url,
    help=f"{URL_FORMS}; also by GATEWAY_URL. Without it, the gateway of the settings in force: "
    "http://127.0.0.1:8080, or as SERVER_PORT and others say.",
)


@main.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, readable=False, path_type=Path)
)
@config_option
@gateway_option
@click.option(
    "--follow/--no-follow", default=True, help="Wait until every image has ended (default), or only send."
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the tagged copies there. Nothing is overwritten: "
              "a second run writes lake-2.jpeg beside lake.jpeg.")  # fmt: skip
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=100, show_default=True, help="Images in one batch."
)
@click.option("--title", type=click.Choice(POLICIES),
              help="What becomes of a title that a photo has already; without it, as the gateway is set.")  # fmt: skip
@click.option("--description", type=click.Choice(POLICIES), help="Likewise of a description.")
@click.option("--keywords", type=click.Choice(POLICIES), help="Likewise of keywords.")
def submit(
    paths: Sequence[Path],
    config: Path | None,
    url: str | None,
    follow: bool,
    output: Path | None,
    batch_size: int,
    **words: str | None,
) -> None:
    """Send photos and folders of photos to a running gateway.

    Of a folder, all JPEG and PNG files below it.
    """
    if output and not follow:
        raise click.UsageError("--output needs --follow")
    url = url or _url(_http(config))
    found = _photos(paths, leave_out=output)
    copies = _output_folder(output) if output else None
    from gateway.shell.report import show_failures
    from gateway.shell.submit import send_photos
    from gateway.shell.summary import last_lines

    metadata = {name: policy for name, policy in words.items() if policy}
    submission = _run(
        send_photos(url, found, follow=follow, output=copies, batch_size=batch_size, metadata=metadata),
        without_gateway=ELSEWHERE,
    )
    show_failures(submission.failures)
    for line in last_lines(submission, found, output):
        click.echo(line)
    raise SystemExit(Failed.exit_code if submission.failures else 0)


@main.command()
@click.argument("job")
@click.argument("indices", nargs=-1, type=click.IntRange(min=0), metavar="[INDEX]...")
@config_option
@gateway_option
@click.option(
    "--follow/--no-follow", default=True, help="Wait until every image has ended (default), or only ask."
)
def retry(job: str, indices: Sequence[int], config: Path | None, url: str | None, follow: bool) -> None:
    """Have failed images of a job tried again.

    Those of these indices, or all of them, as a new job. Nothing is sent a second time.
    """
    url = url or _url(_http(config))
    from gateway.shell.report import show_failures
    from gateway.shell.retry import retry_images
    from gateway.shell.summary import last_line_of_retry

    submission, total = _run(retry_images(url, job, indices, follow=follow), without_gateway=ELSEWHERE)
    show_failures(submission.failures)
    click.echo(last_line_of_retry(submission, total))
    raise SystemExit(Failed.exit_code if submission.failures else 0)


@main.command("images")
@config_option
@gateway_option
@click.option("--keyword", "keywords", multiple=True, metavar="WORD",
              help="Only images with this keyword, in any case; given several times, with all of them.")  # fmt: skip
@click.option("--status", type=click.Choice(STATUSES), help="Only images that stand so.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known, an object of JSON each.")
def show_images(
    config: Path | None, url: str | None, keywords: Sequence[str], status: str | None, as_json: bool
) -> None:
    """List the images that a running gateway keeps.

    A line each, the newest first: file name, place in the API, keywords (or why it failed), parted by tabs.
    """
    url = url or _url(_http(config))
    from gateway.shell.images import columns, json_line, list_images

    line = json_line if as_json else columns
    _run(list_images(url, keywords=keywords, status=status, line=line), without_gateway=ELSEWHERE)


@main.command("dead-letters")
@config_option
@gateway_option
@click.option("--json", "as_json", is_flag=True, help="Print all that is known, an object of JSON each.")
def show_dead_letters(config: Path | None, url: str | None, as_json: bool) -> None:
    """List what an analyzer rejected.

    A line each, the newest first: id, place in the API, code, reason, parted by tabs.
    """
    url = url or _url(_http(config))
    from gateway.shell.dead_letters import columns, json_line, list_dead_letters

    _run(list_dead_letters(url, json_line if as_json else columns), without_gateway=ELSEWHERE)


@main.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@config_option
@gateway_option
def requeue(ids: Sequence[str], config: Path | None, url: str | None) -> None:
    """Send images of dead letters again.

    One that is still open gets another attempt, one that has failed a new job.
    """
    url = url or _url(_http(config))
    from gateway.shell.dead_letters import requeue as send_again

    is_done = _run(send_again(url, ids), without_gateway=ELSEWHERE)
    raise SystemExit(0 if is_done else Failed.exit_code)


@main.command()
@click.option("--photos", "folder", type=click.Path(exists=True, path_type=Path), metavar="DIR",
              help="Other photos than the samples.")  # fmt: skip
def demo(folder: Path | None) -> None:
    """Tag sample photos with a gateway of its own."""
    if folder is None and not SAMPLES.exists():
        raise Wrong("the sample photos come with the source tree only: name others with --photos DIR")
    found = _photos([folder or SAMPLES])
    if found.failures:
        raise Wrong(f"{found.failures[0].name}: {found.failures[0].why}")
    from gateway.shell.demo import run_demo

    raise SystemExit(0 if _run(run_demo(found.photos)) else Failed.exit_code)


def _begin_service() -> None:
    """Until the loop runs, there is nothing to stop in order.

    Without a handler the first process of a container would not be ended by a signal at all.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    gc.disable()  # nothing that a start makes is garbage, and looking for some took a tenth of its time


def _run_service(run: Callable[..., int], settings: "Settings", *more: object) -> NoReturn:
    """Ends with its exit code."""
    from gateway.errors import GatewayError
    from gateway.settings import SettingsError
    from gateway.telemetry.logs import set_up_logs

    set_up_logs(settings.log)
    gc.freeze()  # what a start made is no garbage, nor will it ever be: no later collection looks at it
    gc.enable()
    try:
        status = run(settings, *more)
    except SettingsError as error:
        raise Wrong(str(error)) from error
    except GatewayError as error:
        raise Failed(str(error)) from error
    raise SystemExit(status)


def _load(config: Path | None, role: str | None = None) -> "LoadedSettings":
    """Of the gateway, or of a worker."""
    from gateway.settings import Role, SettingsError, load

    try:
        return load(config, os.environ, Role(role) if role else None)
    except SettingsError as error:
        raise Wrong(str(error)) from error


def _http(config: Path | None, role: str | None = None) -> "HttpSettings":
    """Where the gateway of these settings listens, or a worker."""
    settings = _load(config, role).settings
    from gateway.settings import Role

    return settings.http_of(Role(role)) if role else settings.http


def _url(http: "HttpSettings") -> str:
    from gateway.settings import SettingsError
    from gateway.shell.address import url_of

    try:
        return url_of(http)
    except SettingsError as error:
        raise Wrong(str(error)) from error


def _output_folder(root: Path) -> "OutputFolder":
    from gateway.shell.output import OutputFolder

    folder = OutputFolder(root)
    try:
        folder.prepare()
    except OSError as error:
        raise Wrong(f"--output: {root}: {error.strerror}") from error
    return folder


def _photos(paths: Sequence[Path], leave_out: Path | None = None) -> "Found":
    from gateway.shell.plan import find_photos

    found = find_photos(paths, leave_out=leave_out)
    if not found.total:
        raise Wrong("; ".join(["no JPEG or PNG files there", *found.passed_over]))
    return found


def _run(work: Coroutine[Any, Any, T], *, without_gateway: str = "") -> T:
    """Run it to its end; what it raises ends the command in one line, which tells what helps `without_gateway`."""
    from gateway.client import ClientError, NoGateway, NotConnected, Unreachable
    from gateway.shell.demo import DemoFailed
    from gateway.shell.submit import OptionsRefused

    try:
        return asyncio.run(work)
    except BrokenPipeError:  # whoever read the output has seen enough: click ends it quietly
        raise
    except (NoGateway, NotConnected) as error:
        raise Wrong(f"{error}; {without_gateway}" if without_gateway else str(error)) from error
    except (Unreachable, OptionsRefused) as error:
        raise Wrong(str(error)) from error
    except (ClientError, DemoFailed, OSError) as error:
        raise Failed(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(INTERRUPTED) from None
