"""Pages with the files that they are made of, and the documents that describe the API for programs."""

from aiohttp import web

from gateway.api.answers import JSON
from gateway.api.asyncapi.document import document as asyncapi
from gateway.api.openapi.document import document as openapi
from gateway.api.paths import ASYNCAPI, OPENAPI
from gateway.api.static_files import file_routes, serve
from gateway.api.views import to_json
from gateway.intake.settings import IntakeSettings


def page_routes(intake: IntakeSettings) -> list[web.RouteDef]:
    """All that is the same for everybody until the process ends."""
    return [
        *file_routes(),
        web.get(OPENAPI, serve(to_json(openapi(intake)), JSON)),
        web.get(ASYNCAPI, serve(to_json(asyncapi(intake)), JSON)),
    ]
