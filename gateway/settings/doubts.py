"""Settings that work and yet can't be meant: told at the start, for later nothing would show why they change nothing.

What can't work at all is refused instead, by `mode`.
"""

from collections.abc import Iterator, Sequence

import structlog
from attrs import fields

from gateway.analyzer.chosen import chosen_providers
from gateway.analyzer.vision.settings import VisionSettings
from gateway.events.settings import SubscriberSettings
from gateway.fetch.connecting.proxies import Proxies
from gateway.settings.composed import Role, Settings

log = structlog.get_logger(__name__)


def tell(doubts: Sequence[str]) -> None:
    for doubt in doubts:
        log.warning("settings do not fit together", reason=doubt)


def of_gateway(settings: Settings) -> Sequence[str]:
    """A sentence for each, with what to change."""
    built_in = [role for role in Role if settings.of(role).kind == "built_in"]
    found = [*_of_results(settings, built_in), *_of_proxies(settings), *_of_subscribers(settings)]
    return [*_of_vision(settings), *found] if Role.ANALYZER in built_in else found


def of_worker(settings: Settings, role: Role) -> Sequence[str]:
    """Likewise; how long its gateway waits is none of what a worker is told."""
    return list(_of_vision(settings)) if role is Role.ANALYZER else []


def _of_vision(settings: Settings) -> Iterator[str]:
    said = _said("vision", settings.vision)
    if "vision" not in chosen_providers(settings.analyzer, settings.vision):
        if said and not settings.analyzer.providers:
            yield (
                f"{' and '.join(said)} {'is' if len(said) == 1 else 'are'} set, and no model is asked, for there is no "
                "key and analyzer.providers names none: set OPENROUTER_API_KEY, or name vision in analyzer.providers"
            )
        return
    request_s, image_s = settings.vision.request_timeout_s, settings.analyzer.timeout_s
    if "vision.request_timeout_s" in said and request_s > image_s:
        yield (
            f"vision.request_timeout_s = {request_s:g} is never waited for: analyzer.timeout_s = {image_s:g} ends all "
            "requests for an image, and should be the longer one"
        )


def _of_subscribers(settings: Settings) -> Iterator[str]:
    wanted, most = settings.subscribers.max_connections, settings.subscribers_beside_requests.max_connections
    if wanted > most:
        yield (
            f"subscribers.max_connections = {wanted} is taken as {most}, for a quarter of all connections, of which "
            f"http.max_connections and the limit on open files allow {settings.http.max_connections}, is for requests: "
            "lower the one, or raise the others"
        )
    bounds = {
        "subscribers.max_per_job": settings.subscribers.max_per_job,
        "subscribers.max_per_address": settings.subscribers.max_per_address,
    }
    for key in _said("subscribers", settings.subscribers):
        if bounds.get(key, 0) > wanted:
            yield f"{key} = {bounds[key]} is never reached: subscribers.max_connections = {wanted} is lower"


def _of_results(settings: Settings, built_in: Sequence[Role]) -> Iterator[str]:
    result_s = settings.jobs.result_timeout_s
    for role in built_in:
        if (image_s := settings.of(role).timeout_s) > result_s:
            yield (
                f"jobs.result_timeout_s = {result_s:g} sends an image again that may still be in work, for "
                f"{role}.timeout_s = {image_s:g} is longer: it should be the shorter one"
            )


def _of_proxies(settings: Settings) -> Iterator[str]:
    if settings.fetch.proxy_from_environment and not Proxies.of_environment():
        yield (
            "fetch.proxy_from_environment is on, and neither HTTP_PROXY nor HTTPS_PROXY is set: downloads go without a "
            "proxy"
        )


def _said(name: str, section: VisionSettings | SubscriberSettings) -> list[str]:
    """The keys of the section that differ from their defaults."""
    defaults = type(section)()
    keys = [attribute.name for attribute in fields(type(section))]
    return [f"{name}.{key}" for key in keys if getattr(section, key) != getattr(defaults, key)]
