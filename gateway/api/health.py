"""Whether a gateway or a worker is alive, and whether it can work: for process supervisors and load balancers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog
from aiohttp import web
from attrs import define, field, frozen

from gateway.api.answers import json_answer
from gateway.api.views import to_json
from gateway.background import Background
from gateway.errors import GatewayError
from gateway.ports.clock import Clock
from gateway.telemetry.metrics import HealthMetrics

log = structlog.get_logger(__name__)

ALIVE_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"

CHECK_S: Final = 2.0
"""How long one part may take to answer."""
FRESH_S: Final = 1.0
"""How long an answer serves later probes, so that they are no load."""

Check = Callable[[], Awaitable[str]]


@frozen
class CheckResult:
    """What came of asking one part."""

    is_ok: bool
    detail: str


@define(eq=False, kw_only=True)
class Health:
    """The routes for probes of the process that is called `name`.

    `checks` ask one part each, and tell in a line how it is; `warnings` are asked at every probe.
    """

    _name: str
    _checks: Mapping[str, Check]
    _warnings: Callable[[], Iterable[str]]
    _background: Background
    _clock: Clock
    _metrics: HealthMetrics
    _asking: asyncio.Lock = field(factory=asyncio.Lock)
    _results: Mapping[str, CheckResult] = field(factory=dict)
    _fresh_until: float = float("-inf")

    def routes(self) -> list[web.RouteDef]:
        return [web.get(ALIVE_PATH, self.alive), web.get(READY_PATH, self.ready)]

    async def alive(self, _request: web.Request) -> web.Response:
        """The loop turns."""
        return json_answer(b'{"status":"ok"}', headers=_UNCACHED)

    async def look(self) -> bool:
        """Whether the process can work; the metrics are told too."""
        results = await self._fresh_results()
        is_ready = not self._troubles() and all(result.is_ok for result in results.values())
        self._metrics.ready.set(is_ready)
        return is_ready

    async def ready(self, _request: web.Request) -> web.Response:
        is_ready = await self.look()
        body = to_json(
            {
                "status": "ready" if is_ready else "not_ready",
                "checks": {
                    name: {"status": "ok" if result.is_ok else "failing", "detail": result.detail}
                    for name, result in self._results.items()
                },
                "warnings": [*self._troubles(), *self._warnings()],
            }
        )
        return json_answer(body, status=200 if is_ready else 503, headers=_UNCACHED)

    def _troubles(self) -> list[str]:
        """What makes the process unready, however well its parts are."""
        if self._background.crashed is not None:
            return [f"the service {self._background.crashed} died"]
        return [f"the {self._name} is stopping"] if self._background.stopping.is_set() else []

    async def _fresh_results(self) -> Mapping[str, CheckResult]:
        async with self._asking:
            if self._clock.monotonic() >= self._fresh_until:
                self._results = await self._ask_all()
                self._fresh_until = self._clock.monotonic() + FRESH_S
            return self._results

    async def _ask_all(self) -> Mapping[str, CheckResult]:
        results = await asyncio.gather(*(_ask(name, check) for name, check in self._checks.items()))
        return dict(zip(self._checks, results, strict=True))


_UNCACHED: Final = {"Cache-Control": "no-store"}


async def _ask(name: str, check: Check) -> CheckResult:
    try:
        async with asyncio.timeout(CHECK_S):
            return CheckResult(True, await check())
    except TimeoutError:
        reason = f"no answer within {CHECK_S:g} seconds"
        log.warning("not ready", part=name, reason=reason)
        return CheckResult(False, reason)
    except GatewayError as error:
        log.warning("not ready", part=name, reason=str(error))
        return CheckResult(False, error.text)
    except Exception:
        log.exception("a check crashed", part=name)
        return CheckResult(False, "the check itself failed; see the log")
