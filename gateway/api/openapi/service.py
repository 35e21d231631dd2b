"""Health, metrics and documentation: what is asked of the gateway itself."""

from gateway.api.openapi.blocks import ETAG, IF_NONE_MATCH, UNCHANGED, json_answer, operation
from gateway.api.schemas.building import Schema


def alive() -> Schema:
    return operation(
        "health", "getHealth", "Whether the process is alive", {"200": json_answer("It is.", "Health")}
    )


def ready() -> Schema:
    return operation(
        "health",
        "getReadiness",
        "Whether the gateway can work",
        {
            "200": json_answer("All parts that it needs work.", "Readiness"),
            "503": json_answer("Some part fails, or the gateway is stopping.", "Readiness"),
        },
    )


def metrics() -> Schema:
    text = {"schema": {"type": "string"}}
    content = {"text/plain": text, "application/openmetrics-text": text}
    answer = {"description": "In the format that was asked for by Accept.", "content": content}
    return operation("health", "getMetrics", "What is counted, for Prometheus", {"200": answer})


def page(summary: str, name: str, media_type: str) -> Schema:
    content = {media_type: {"schema": {"type": "object" if media_type == "application/json" else "string"}}}
    return operation(
        "documentation",
        name,
        summary,
        {
            "200": {"description": "Here it is.", "headers": ETAG, "content": content},
            "304": UNCHANGED,
        },
        parameters=[IF_NONE_MATCH],
    )
