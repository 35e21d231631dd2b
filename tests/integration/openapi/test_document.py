"""The OpenAPI document is true of the gateway that gives it: it is valid, and names every route."""

import json
from pathlib import Path

from openapi_spec_validator import validate

from gateway.intake.settings import IntakeSettings
from tests.integration.openapi.asking import document_of
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway


async def test_it_is_valid_openapi(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    assert document["openapi"].startswith("3.1")
    validate(document)


async def test_it_names_every_route_but_for_the_files_of_the_pages(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    named = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    application = gateway.runner.app
    routed = {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.method != "HEAD" and route.resource is not None
        if not route.resource.canonical.startswith(("/docs/", "/static/"))
    }
    assert named == routed


async def test_every_operation_has_a_name_of_its_own(gateway: QuietGateway) -> None:
    paths = (await document_of(gateway))["paths"].values()
    names = [
        operation["operationId"] for item in paths for key, operation in item.items() if key != "parameters"
    ]
    assert len(set(names)) == len(names)


async def test_it_tells_the_bounds_of_this_gateway(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, intake=IntakeSettings(max_images=7)) as gateway:
        document = await document_of(gateway)
    assert document["components"]["schemas"]["NewBatch"]["properties"]["images"]["maxItems"] == 7


async def test_its_texts_hold_no_markup(gateway: QuietGateway) -> None:
    """The page shows them as they are."""
    assert "`" not in json.dumps(await document_of(gateway))
