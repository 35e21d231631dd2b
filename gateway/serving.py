"""Serving: open the doors of an assembled gateway or worker, say where they are, and close them in order.

At a stop the process is unready at once. A gateway then lets requests in hand end, a worker the images in hand, all
within the settings' time; what is not done by then is given back. A stop that comes before the doors are open, while
broker or object store are waited for, ends the start.
"""

import asyncio
import gc
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog
from attrs import evolve

from gateway.allocator import keep_freed_memory
from gateway.api.application import build_application, build_worker_application
from gateway.app import assembled
from gateway.cancellation import is_being_cancelled
from gateway.listening import UNIX, affordable, listening, stop_on_signals
from gateway.settings import Role, Settings
from gateway.worker import at_work

log = structlog.get_logger(__name__)

COLLECTED_AT = 10_000
"""So many objects made and still there bring a collection: a few megabytes, or milliseconds."""


def run_gateway(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code: 0, or 1 when a service died."""
    return _run(_serve(settings))


def run_worker(settings: Settings, role: Role) -> int:
    """Work on the queue of `role` until SIGTERM or SIGINT; the exit code likewise."""
    return _run(_work(settings, role))


def _run(main: Coroutine[Any, Any, int]) -> int:
    keep_freed_memory()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_stoppable(main))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_stoppable(main))


async def _stoppable(main: Coroutine[Any, Any, int]) -> int:
    """`main`, ended by a signal until it meets them itself: then what it has opened is closed."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - we are in a coroutine
    stop_on_signals(task.cancel)
    try:
        return await main
    except asyncio.CancelledError:
        if not is_being_cancelled():  # a client library's own: a bug
            raise
        log.info("stopped before the start was over")
        return 0


async def _serve(settings: Settings) -> int:
    names = "http.host, http.port, SERVER_PORT"
    settings = evolve(settings, http=affordable(settings.http))
    async with assembled(settings) as context:
        background = context.background
        stop_on_signals(background.ask_to_stop)
        application, metrics = build_application(context), context.metrics.connections
        async with listening(application, settings.http, background, metrics, port_names=names) as addresses:
            _settle_down()
            _greet(addresses, settings.data_dir)
            await background.stopping.wait()
            log.info("stopping")
    return 1 if background.crashed else 0


async def _work(settings: Settings, role: Role) -> int:
    names = f"{role}.http_host, {role}.http_port, HTTP_PORT"
    async with at_work(settings, role) as worker:
        background = worker.background
        stop_on_signals(background.ask_to_stop)
        application = build_worker_application(worker.health, worker.metrics, settings.metrics)
        http, metrics = affordable(settings.http_of(role)), worker.metrics.connections
        async with listening(application, http, background, metrics, port_names=names) as addresses:
            _settle_down()
            log.info("working", role=str(role), addresses=addresses)
            await background.stopping.wait()
            log.info("stopping")
            await worker.workers.finish(settings.of(role).stop_timeout_s)
    return 1 if background.crashed else 0


def _settle_down() -> None:
    """What is there by now stays, so the collector of garbage passes it over from now on, and comes less often.

    By default it comes with every 700 new objects: several times a request, of which next to none leaves cycles.
    """
    gc.freeze()
    gc.set_threshold(COLLECTED_AT, *gc.get_threshold()[1:])


def _greet(addresses: list[str], data_dir: Path) -> None:
    """Where it listens, where its data lies, and a line to try."""
    log.info("listening", addresses=addresses, data_dir=str(data_dir))
    at, via = addresses[0], ""
    if at.startswith(UNIX):
        at, via = "http://localhost", f"--unix-socket {at.removeprefix(UNIX)} "
    sys.stdout.write(
        f"Gateway at {' and '.join(addresses)}\n"
        f"Data in    {data_dir}\n"
        f"Docs at    {at}/docs\n"
        f"Try        curl {via}-F images=@photo.jpg {at}/api/v1/batch\n"
    )
    sys.stdout.flush()
