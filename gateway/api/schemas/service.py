"""Health and errors."""

from gateway.api.schemas.building import Schema, an_object, list_of, text


def service_schemas() -> Schema:
    return {
        "Health": an_object({"status": {"const": "ok"}}),
        "Readiness": _readiness(),
        "Problem": _problem(),
        "Fault": _fault(),
    }


def _readiness() -> Schema:
    check = an_object({"status": {"enum": ["ok", "failing"]}, "detail": text()})
    return an_object(
        {
            "status": {"enum": ["ready", "not_ready"]},
            "checks": an_object({"object_store": check, "broker": check, "job_store": check}),
            "warnings": {"type": "array", "items": {"type": "string"}},
        }
    )


def _problem() -> Schema:
    required = {
        "type": text("Always about:blank: see code.", format="uri-reference"),
        "title": text("The status code in words."),
        "status": {"type": "integer", "description": "The status code."},
        "detail": text("What was wrong, and where."),
        "error": text("The same, as older clients read it."),
        "code": text("What was wrong, as a stable word."),
    }
    optional = {
        "errors": list_of("Fault", description="Everything that was wrong, with its place."),
        "request_id": text("On 500: under which the log has more."),
    }
    return an_object(required, optional, "RFC 9457.")


def _fault() -> Schema:
    return an_object(
        {"pointer": text("JSON pointer (RFC 6901) into the request."), "code": text(), "detail": text()}
    )
