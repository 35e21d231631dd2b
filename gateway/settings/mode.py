"""Which mode is meant when no file says so, and whether what was said fits together.

Production mode is asked for by naming its two servers. One of them alone is a slip that must not start a gateway on a
folder, or on a broker in process, which nobody beside it can reach.
"""

from collections.abc import Mapping
from typing import Final

from gateway.analyzer.chosen import lacks_a_key
from gateway.fetch.connecting.proxies import Proxies, ProxyUnusable
from gateway.settings.composed import Role, Settings
from gateway.settings.existing_names import MINIO_ENDPOINT, RABBITMQ_URL
from gateway.settings.sources import Given, SettingsError, variable_name

PRODUCTION: Final[Mapping[str, str]] = {
    "http.host": "0.0.0.0",  # noqa: S104 its clients are on other machines
    "broker.kind": "rabbitmq",
    "object_store.kind": "s3",
    "analyzer.kind": "external",
    "processor.kind": "external",
}
"""The defaults that differ from those of embedded mode."""

_ORIGIN = f"default of production mode, for {RABBITMQ_URL} and {MINIO_ENDPOINT} are set"
_KIND_OF = {RABBITMQ_URL: "broker.kind", MINIO_ENDPOINT: "object_store.kind"}


def defaults_of_mode(environ: Mapping[str, str], given: Mapping[str, Given]) -> dict[str, Given]:
    """What holds without a file, unless it is `given`. Raises SettingsError when half of production mode is said."""
    named = [name for name in _KIND_OF if environ.get(name)]
    if len(named) == len(_KIND_OF):
        return {path: Given(value, _ORIGIN) for path, value in PRODUCTION.items()}
    for name in named:
        (missing,) = set(_KIND_OF) - {name}
        if _KIND_OF[name] not in given:
            raise SettingsError(
                f"{name} is set and {missing} is not: production mode needs both. Set {missing}; or unset {name}, "
                f"for embedded mode; or say what is meant by {variable_name(_KIND_OF[name])} or with --config FILE"
            )
    return {}


def check_gateway(settings: Settings) -> None:
    """Whether a gateway can run so. Raises SettingsError."""
    for role in Role:
        if settings.of(role).kind == "external":
            _check_reach(settings, f"{role}.kind = external")
    _check_keys(settings)
    _check_connections(settings)
    _check_proxies(settings)
    if settings.analyzer.kind == "built_in":
        _check_vision(settings)


def check_worker(settings: Settings, role: Role) -> None:
    """Whether a worker can run so. Raises SettingsError."""
    _check_reach(settings, f"an {role} of its own" if role is Role.ANALYZER else f"a {role} of its own")
    _check_keys(settings)
    if role is Role.ANALYZER:
        _check_vision(settings)


def _check_reach(settings: Settings, who: str) -> None:
    """Broker and object store must be such that a process beside the gateway has them too."""
    broker, store = settings.broker, settings.object_store
    if broker.kind == "in_process":
        raise SettingsError(
            f"{who} needs a broker that other processes reach: broker.kind = rabbitmq, with its address in "
            f"{RABBITMQ_URL}"
        )
    if store.kind == "folder" and not store.path:
        raise SettingsError(
            f"{who} needs an object store that other processes reach: object_store.kind = s3, with its address "
            f"in {MINIO_ENDPOINT}, or the path of a folder that all of them have"
        )


def _check_keys(settings: Settings) -> None:
    store = settings.object_store
    if store.kind == "s3" and not (store.access_key and store.secret_key):
        missing = "secret_key" if store.access_key else "access_key"
        raise SettingsError(
            f"object_store.kind = s3 needs object_store.{missing} (MINIO_{missing.upper()}), and there is none"
        )


def _check_vision(settings: Settings) -> None:
    if lacks_a_key(settings.analyzer, settings.vision):
        raise SettingsError(
            "analyzer.providers names vision, and OpenRouter needs a key: set OPENROUTER_API_KEY, or name another "
            "endpoint in vision.url"
        )


def _check_connections(settings: Settings) -> None:
    """Slow clients must not take all the ways to the object store."""
    connections, downloads = settings.object_store.connections, settings.http.max_downloads
    if settings.object_store.kind == "s3" and 2 * downloads > connections:
        raise SettingsError(
            f"http.max_downloads = {downloads} needs object_store.connections = {2 * downloads} or more, and it is "
            f"{connections}: slow downloads could keep the gateway from its object store"
        )


def _check_proxies(settings: Settings) -> None:
    if settings.fetch.proxy_from_environment:
        try:
            Proxies.of_environment()
        except ProxyUnusable as error:
            raise SettingsError(f"fetch.proxy_from_environment is on, and {error}") from error
