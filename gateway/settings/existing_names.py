"""The names that deployments set already, before there was this gateway: they override all other sources.

An empty one says nothing, for that is how compose files leave one out. TELEGRAM_TOKEN is of a part that this service
has not, and says nothing either. OPENROUTER_* count where an analyzer is: in its worker and in a gateway. The other
names of a worker count for the worker alone: they stand in its own container, and HTTP_PORT is a word that others use
too.
"""

from collections.abc import Mapping

from gateway.settings.composed import Role
from gateway.settings.sources import Given
from gateway.settings.values import Kind, from_text

RABBITMQ_URL = "RABBITMQ_URL"
MINIO_ENDPOINT = "MINIO_ENDPOINT"

EXISTING_NAMES: Mapping[str, str] = {
    "SERVER_PORT": "http.port",
    RABBITMQ_URL: "broker.url",
    MINIO_ENDPOINT: "object_store.endpoint",
    "MINIO_ACCESS_KEY": "object_store.access_key",
    "MINIO_SECRET_KEY": "object_store.secret_key",
    "MINIO_USE_SSL": "object_store.tls",
    "MINIO_ORIGINAL_BUCKET": "object_store.original_bucket",
    "MINIO_PROCESSED_BUCKET": "object_store.processed_bucket",
    "DD_API_KEY": "metrics.datadog_api_key",
    "DD_AGENT_HOST": "metrics.datadog_host",
    "DD_ENV": "metrics.datadog_env",
    "LOG_LEVEL": "log.level",
    "LOG_FORMAT": "log.format",
}

NAMES_OF_VISION: Mapping[str, str] = {
    "OPENROUTER_API_KEY": "vision.api_key",
    "OPENROUTER_MODEL": "vision.model",
    "OPENROUTER_PROMPT": "vision.prompt",
    "OPENROUTER_MAX_TOKENS": "vision.max_tokens",
    "OPENROUTER_TEMPERATURE": "vision.temperature",
}

QUEUE_NAMES_OF: Mapping[Role, Mapping[str, str]] = {
    Role.ANALYZER: {
        "RABBITMQ_CONSUMER_QUEUE": "broker.image_upload_queue",
        "RABBITMQ_PUBLISHER_QUEUE": "broker.metadata_generated_queue",
    },
    Role.PROCESSOR: {
        "RABBITMQ_CONSUMER_QUEUE": "broker.metadata_generated_queue",
        "RABBITMQ_PUBLISHER_QUEUE": "broker.image_processed_queue",
    },
}

_OLDER_WORDS = {"log.level": {"warn": "warning", "fatal": "critical"}, "log.format": {"text": "console"}}


def existing_names(role: Role | None) -> Mapping[str, str]:
    """The names, each with the setting that it stands for: of the gateway, or of a worker."""
    vision = {} if role is Role.PROCESSOR else NAMES_OF_VISION
    return {**EXISTING_NAMES, **vision, **(names_of_worker(role) if role else {})}


def names_of_worker(role: Role) -> Mapping[str, str]:
    return {
        **QUEUE_NAMES_OF[role],
        "RABBITMQ_PREFETCH_COUNT": f"{role}.prefetch",
        "WORKER_CONCURRENCY": f"{role}.concurrency",
        "HTTP_PORT": f"{role}.http_port",
    }


def from_existing_names(
    environ: Mapping[str, str], keys: Mapping[str, Kind], role: Role | None
) -> dict[str, Given]:
    found = {}
    for name, path in existing_names(role).items():
        if text := environ.get(name):
            word = _OLDER_WORDS.get(path, {}).get(text.lower(), text)
            found[path] = Given(from_text(keys[path], word), name)
    return found
