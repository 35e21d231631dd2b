"""Owns every long-running service of the process: start, what a crash means, and stop.

A bare TaskGroup in an exit stack would wait for loops that never end; here the stop cancels every task and awaits
it, with a deadline. What a service had in hand is not lost: all of them work at least once. A service that ends by
itself before the stop has a bug: the process becomes unready and is asked to end, with the error kept for its exit
code.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import structlog
from attrs import define, field

from gateway.cancellation import is_being_cancelled
from gateway.errors import GatewayError

log = structlog.get_logger(__name__)


class CanNotStart(GatewayError):
    """The process can't run so. The text is for its operator, and says what to change."""

    default_code = "can_not_start"


class Service(Protocol):
    """A doer with a loop of its own."""

    @property
    def name(self) -> str:
        """Names its task, and itself in logs and in readyz."""

    async def run(self) -> None:
        """Work until cancelled."""


@define(eq=False)
class Background:
    """The running services. `stopping` and `crashed` tell the doors whether new work is welcome."""

    stop_timeout_s: float = 3.0
    stopping: asyncio.Event = field(factory=asyncio.Event)
    crashed: str | None = None

    @asynccontextmanager
    async def running(self, *services: Service) -> AsyncIterator[None]:
        """The services run as long as this context lasts; they are stopped together, within `stop_timeout_s`."""
        tasks = [asyncio.create_task(self._watch(service), name=service.name) for service in services]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            _, stubborn = await asyncio.wait(tasks, timeout=self.stop_timeout_s)
            for task in stubborn:
                log.error("service does not stop", service=task.get_name())

    def ask_to_stop(self) -> None:
        """Make the process unready and let its main loop end it."""
        self.stopping.set()

    async def _watch(self, service: Service) -> None:
        try:
            await service.run()
            if not self.stopping.is_set():
                self._crash(service, None)
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            self._crash(service, None)
        except Exception as error:  # noqa: BLE001 whatever the bug is, it must end the process, not hide
            self._crash(service, error)

    def _crash(self, service: Service, error: Exception | None) -> None:
        log.error("service died", service=service.name, exc_info=error)
        self.crashed = self.crashed or service.name
        self.ask_to_stop()
