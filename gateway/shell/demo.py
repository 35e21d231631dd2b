"""A gateway of its own for half a minute: tags sample photos, prints what it found, and leaves nothing behind."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import click

from gateway.client import ClientError, GatewayClient, Image, Job
from gateway.shell.command import own_command
from gateway.shell.plan import Photo
from gateway.shell.report import printable

FIRST_PORT, LAST_PORT = 20_000, 32_000
"""Below those that Linux takes for outgoing connections: none of them can be in the way."""
START_S = 60.0
STOP_S = 10.0
ALL_IMAGES_S = 60.0
POLL_S = 0.05
LOG_TAIL_CHARACTERS = 2_000
SERVICE_VARIABLES = (
    "GATEWAY_",
    "RABBITMQ_",
    "MINIO_",
    "OPENROUTER_",
    "SERVER_PORT",
    "LOG_",
    "DD_",
    "TELEGRAM_",
)


class DemoFailed(Exception):
    """The demo could not be shown; the text says why."""


async def run_demo(photos: Sequence[Photo]) -> bool:
    """Show each photo's tags. False when one was not tagged. Raises DemoFailed, ClientError."""
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        async with _own_gateway(Path(folder)) as url, GatewayClient(url) as gateway:
            click.echo(f"A gateway runs at {url}, {len(photos)} photos go in ...")
            try:
                async with asyncio.timeout(ALL_IMAGES_S):
                    job = await _tagged(gateway, photos)
            except TimeoutError:
                raise DemoFailed(f"the images did not end within {ALL_IMAGES_S:g} seconds") from None
    for image in job.images:
        _show(image)
    click.echo(f"\n{job.completed} of {job.total_images} images tagged.")
    command = own_command()
    click.echo(
        f"With yours: `{command} serve`, unless one runs, and in another shell "
        f"`{command} submit PHOTOS --output DIR`."
    )
    return job.completed == job.total_images


async def _tagged(gateway: GatewayClient, photos: Sequence[Photo]) -> Job:
    submitted, events = await gateway.submit_and_follow([photo.path for photo in photos])
    async for event in events:
        if event.image:
            click.echo(f"  {event.progress:5.1f} %  {printable(event.image.original_filename)}")
    return await gateway.status(submitted.job_id)


def _show(image: Image) -> None:
    click.echo(f"\n{printable(image.original_filename)}")
    if image.metadata is None:
        click.echo(f"  {image.status}: {printable(image.error)}")
        return
    words = image.metadata
    for name, text in (
        ("title", words.title), ("description", words.description), ("keywords", ", ".join(words.keywords)),
    ):  # fmt: skip
        click.echo(f"  {name + ':':<13}{printable(text)}")


@contextlib.asynccontextmanager
async def _own_gateway(folder: Path) -> AsyncIterator[str]:
    """A gateway as a child process, which ends with this context whatever happens in it."""
    port = _free_port()
    log = folder / "gateway.log"
    with _stop_like_interrupt(), log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=_environment(folder / "data", port),
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_it_answers(child, url, log)
            yield url
        finally:
            await asyncio.shield(_end(child))


async def _until_it_answers(child: asyncio.subprocess.Process, url: str, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_S
    async with GatewayClient(url) as gateway:
        while True:
            try:
                return await gateway.check()
            except ClientError as error:
                if child.returncode is not None:
                    raise DemoFailed(
                        f"the gateway ended with status {child.returncode}:\n{_tail(log)}"
                    ) from error
                if asyncio.get_running_loop().time() > deadline:
                    raise DemoFailed(
                        f"the gateway did not start within {START_S:g} seconds:\n{_tail(log)}"
                    ) from error
            await asyncio.sleep(POLL_S)


async def _end(child: asyncio.subprocess.Process) -> None:
    for end, patience_s in ((child.terminate, STOP_S), (child.kill, STOP_S)):
        with contextlib.suppress(ProcessLookupError):
            end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await child.wait()
                return


@contextlib.contextmanager
def _stop_like_interrupt() -> Iterator[None]:
    """A SIGTERM ends us by way of our clean-up, as Ctrl-C does."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - we are in a coroutine
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _environment(data: Path, port: int) -> Mapping[str, str]:
    """Ours, without what was meant for another gateway."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(SERVICE_VARIABLES)}
    return inherited | {
        "GATEWAY_DATA_DIR": str(data),
        "GATEWAY_HTTP_HOST": "127.0.0.1",
        "GATEWAY_HTTP_PORT": str(port),
    }


def _free_port() -> int:
    for port in random.sample(range(FIRST_PORT, LAST_PORT), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise DemoFailed("no free port was found")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
