"""Serving: open the doors of an assembled gateway, say where they are, and close them in order.

The first SIGTERM or SIGINT makes the gateway unready, lets requests in hand end and stops the services, all within
the settings' time; the second ends the process at once.
"""

import asyncio
import errno
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from gateway.api.application import build_application
from gateway.api.cors import CrossOrigin
from gateway.api.runner import Runner
from gateway.app import CanNotStart, assembled
from gateway.background import Background
from gateway.context import AppContext
from gateway.settings import Settings

log = structlog.get_logger(__name__)

_KNOCK_S: Final = 0.5
_UNIX: Final = "unix://"


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code: 0, or 1 when a service died."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_serve(settings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    async with assembled(settings) as context:
        _stop_on_signals(context.background)
        async with _listening(context) as addresses:
            _greet(addresses, settings.data_dir)
            await context.background.stopping.wait()
            log.info("stopping")
    return 1 if context.background.crashed else 0


@asynccontextmanager
async def _listening(context: AppContext) -> AsyncIterator[list[str]]:
    """The doors are open; leaving closes them and lets requests in hand end."""
    http = context.settings.http
    runner = Runner(
        build_application(context),
        CrossOrigin(http.cors_origins),
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=http.keepalive_timeout_s,
        shutdown_timeout=http.shutdown_timeout_s,
    )
    await runner.setup()
    addresses: list[str] = []
    try:
        if http.tcp:
            await _listen_on_port(runner, context.settings.listen_host, http.port)
        if http.socket:
            await _listen_on_socket(runner, Path(http.socket))
        addresses = _addresses(runner)
        yield addresses
    finally:
        context.background.ask_to_stop()
        await runner.cleanup()
        _remove_sockets(addresses)


def _remove_sockets(addresses: Iterable[str]) -> None:
    for address in addresses:
        if address.startswith(_UNIX):
            Path(address.removeprefix(_UNIX)).unlink(missing_ok=True)


async def _listen_on_port(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError as error:
        where = f"http://{_host(host)}:{port} (http.host, http.port, SERVER_PORT)"
        raise CanNotStart(f"can't listen on {where}: {_reason(error)}") from error


async def _listen_on_socket(runner: web.AppRunner, path: Path) -> None:
    try:
        _make_way(path)
        await web.UnixSite(runner, str(path), backlog=1024).start()
    except OSError as error:
        raise CanNotStart(f"can't listen on the socket {path} (http.socket): {_reason(error)}") from error


def _make_way(path: Path) -> None:
    """Remove a socket on which nobody listens any more; one that is in use is never taken from its owner."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise FileExistsError(errno.EEXIST, "there is something that is no socket")
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.settimeout(_KNOCK_S)
        try:
            knocking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    return os.strerror(error.errno) if error.errno else str(error)


def _addresses(runner: web.AppRunner) -> list[str]:
    return [
        f"{_UNIX}{address}" if isinstance(address, str) else f"http://{_host(address[0])}:{address[1]}"
        for address in runner.addresses
    ]


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _stop_on_signals(background: Background) -> None:
    """The first signal asks for a stop, the second ends at once."""

    def on_signal(number: int) -> None:
        if background.stopping.is_set():
            sys.stderr.write("stopped at once\n")
            sys.stderr.flush()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        background.ask_to_stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _greet(addresses: list[str], data_dir: Path) -> None:
    """Where it listens, where its data lies, and a line to try."""
    log.info("listening", addresses=addresses, data_dir=str(data_dir))
    at, via = addresses[0], ""
    if at.startswith(_UNIX):
        at, via = "http://localhost", f"--unix-socket {at.removeprefix(_UNIX)} "
    sys.stdout.write(
        f"Gateway at {' and '.join(addresses)}\n"
        f"Data in    {data_dir}\n"
        f"Docs at    {at}/docs\n"
        f"Try        curl {via}-F images=@photo.jpg {at}/api/v1/batch\n"
    )
    sys.stdout.flush()
