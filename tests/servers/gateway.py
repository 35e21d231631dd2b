"""A real gateway in a process of its own, as an operator starts it: `python -m gateway serve`.

    async with running_gateway(tmp_path / "data", fetch_tries=5) as gateway:
        await curl(gateway.url("/api/v1/batch"))
        await gateway.kill()
        await gateway.start()

It shares no code with the gateway. What the process wrote is printed at the end, so pytest shows it when a test
fails; whatever it called an error fails the test by itself.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, frozen

from tests.files_below import files_below
from tests.free_ports import free_port

START_S = 120
STOP_S = 30
READY = "ready"
SHOWN_CHARACTERS = 10_000
HOST = "127.0.0.1"
OUR_VARIABLES = (
    "GATEWAY_",
    "SERVER_",
    "LOG_",
    "RABBITMQ_",
    "MINIO_",
    "DD_",
    "HTTP_PORT",
    "WORKER_",
    "OPENROUTER_",
)


@frozen
class Ended:
    """How a gateway ended."""

    code: int
    seconds: float


@define(eq=False)
class Gateway:
    """A gateway on `port` with its data in `data_dir`; it can be ended and started again, any number of times."""

    data_dir: Path
    port: int
    settings: Mapping[str, str]
    before: tuple[str, ...] = ()
    """A command line that runs the rest of it, as itself: its process becomes the gateway's."""
    environment: Mapping[str, str] = {}
    """More of it: the names that existing deployments set."""
    arguments: tuple[str, ...] = ()
    """What stands behind `serve`."""
    _process: asyncio.subprocess.Process | None = None
    _shown: int = 0

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def url(self, path: str) -> str:
        return self.base_url + path

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the gateway was never started"
        return self._process

    @property
    def objects(self) -> dict[str, set[str]]:
        """The keys that lie in each bucket, and in the place for what is being written."""
        folder = self.data_dir / "objects"
        return {
            bucket: {str(path.relative_to(folder / bucket)) for path in files_below(folder / bucket)}
            for bucket in ("original", "processed", ".tmp")
        }

    async def start(self) -> None:
        """Until it is ready to work."""
        await self.launch()
        await self._ready()

    async def launch(self) -> None:
        """Until the process exists, no longer."""
        with self._output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.before, sys.executable, "-m", "gateway", "serve", *self.arguments, env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """As a supervisor does it: ask, and wait."""
        asked = time.monotonic()
        self.process.send_signal(number)
        async with asyncio.timeout(STOP_S):
            code = await self.process.wait()
        return Ended(code, time.monotonic() - asked)

    async def kill(self) -> None:
        """SIGKILL: no time for anything."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def output(self) -> str:
        """All that it wrote so far, in all its lives."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def log(self) -> list[dict[str, Any]]:
        """Its log, a line an event; a line that a SIGKILL cut is left out."""
        return events_in(self.output())

    def complaints(self) -> list[str]:
        return complaints_in(self.output())

    def show_news(self) -> None:
        """Print what it wrote since the last time."""
        output = self.output()
        print(output[self._shown :])
        self._shown = len(output)

    @property
    def _output(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    def _environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(OUR_VARIABLES)}
        ours = {"GATEWAY_DATA_DIR": str(self.data_dir), "SERVER_PORT": str(self.port), "LOG_FORMAT": "json"}
        settings = {f"GATEWAY_{key.upper()}": text for key, text in self.settings.items()}
        return inherited | ours | dict(self.environment) | settings

    async def _ready(self) -> None:
        answer = ""
        try:
            async with aiohttp.ClientSession() as http, asyncio.timeout(START_S):
                while (answer := await self._readiness(http)) != READY:
                    assert self.process.returncode is None, f"the gateway did not start:\n{self.output()}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(
                f"the gateway is not ready within {START_S} s: {answer}\n{self.output()[-SHOWN_CHARACTERS:]}"
            ) from None

    async def _readiness(self, http: aiohttp.ClientSession) -> str:
        """READY, or why it is not."""
        try:
            async with http.get(self.url("/readyz")) as answer:
                return READY if answer.status == 200 else await answer.text()
        except aiohttp.ClientConnectionError as error:
            return str(error)


def events_in(output: str) -> list[dict[str, Any]]:
    """The lines of a log."""
    return [event for line in output.splitlines() if (event := _parsed(line)) is not None]


def complaints_in(output: str) -> list[str]:
    """What no process of ours should write, whatever happens around it: errors and tracebacks."""
    errors = [json.dumps(line) for line in events_in(output) if line["level"] in ("error", "critical")]
    return errors + [line for line in output.splitlines() if "Traceback (most" in line]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "level" in event else None


@asynccontextmanager
async def running_gateway(
    data_dir: Path, *before: str, environment: Mapping[str, str] = {}, **settings: object
) -> AsyncIterator[Gateway]:
    """A gateway that is ready; `settings` as `<section>_<key>`. It must not have written any error by the end."""
    texts = {key: str(value) for key, value in settings.items()}
    gateway = Gateway(data_dir, free_port(), texts, before, environment)
    try:
        await gateway.start()
        yield gateway
        complaints = gateway.complaints()
    finally:
        await gateway.kill()
        gateway.show_news()
    assert complaints == []
