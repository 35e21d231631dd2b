"""The doors of a process: a port, a Unix socket, or both, and how it is told to close them.

The first SIGTERM or SIGINT asks for a stop, the second ends the process at once.
"""

import asyncio
import errno
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NoReturn

import structlog
from aiohttp import web
from attrs import evolve

from gateway import open_files
from gateway.api.connections.crowd import ConnectionBounds
from gateway.api.connections.runner import Runner
from gateway.api.cors import CrossOrigin
from gateway.background import Background, CanNotStart
from gateway.settings import HttpSettings
from gateway.telemetry.metrics import ConnectionMetrics

log = structlog.get_logger(__name__)

UNIX: Final = "unix://"
_KNOCK_S: Final = 0.5

_OTHER_FILES: Final = 1024
"""What a process has open besides its clients: images on their way, stores, the broker, downloads."""


def affordable(http: HttpSettings) -> HttpSettings:
    """With as many connections as the limit on open files allows, which is raised for them as far as it goes."""
    wanted = http.max_connections
    allowed = open_files.allow(wanted + _OTHER_FILES)
    connections = min(wanted, max(allowed - _OTHER_FILES, allowed // 2))
    if connections < wanted:
        log.warning("few open files are allowed", limit=allowed, connections=connections, wanted=wanted)
    return evolve(http, max_connections=connections)


@asynccontextmanager
async def listening(
    application: web.Application,
    http: HttpSettings,
    background: Background,
    metrics: ConnectionMetrics,
    *,
    port_names: str,
) -> AsyncIterator[list[str]]:
    """The doors are open, at these addresses; leaving closes them and lets requests in hand end.

    `port_names` tells an operator where host and port come from. Raises CanNotStart.
    """
    runner = Runner(
        application,
        CrossOrigin(http.cors_origins),
        ConnectionBounds(http.max_connections, headers_timeout_s=http.headers_timeout_s),
        metrics,
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
            await _listen_on_port(runner, http, port_names)
        if http.socket:
            await _listen_on_socket(runner, Path(http.socket))
        addresses = _addresses(runner)
        yield addresses
    finally:
        background.ask_to_stop()
        await runner.cleanup()
        _remove_sockets(addresses)


def stop_on_signals(stop: Callable[[], object]) -> None:
    """The first signal from now on calls `stop`, the second ends at once."""
    came = asyncio.Event()

    def on_signal(number: int) -> None:
        if came.is_set():
            _end_at_once(number)
        came.set()
        stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _end_at_once(number: int) -> NoReturn:
    sys.stderr.write("stopped at once\n")
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # the first process of a container is spared by signals that have no handler


def _remove_sockets(addresses: Iterable[str]) -> None:
    for address in addresses:
        if address.startswith(UNIX):
            Path(address.removeprefix(UNIX)).unlink(missing_ok=True)


async def _listen_on_port(runner: web.AppRunner, http: HttpSettings, names: str) -> None:
    try:
        await web.TCPSite(runner, http.listen_host, http.port, backlog=1024).start()
    except OSError as error:
        where = f"http://{_host(http.listen_host)}:{http.port} ({names})"
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
        f"{UNIX}{address}" if isinstance(address, str) else f"http://{_host(address[0])}:{address[1]}"
        for address in runner.addresses
    ]


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
