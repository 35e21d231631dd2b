"""All shapes by their names, in the order in which the page at /docs shows them."""

from gateway.api.schemas.building import Schema
from gateway.api.schemas.dead_letters import dead_letter_schemas
from gateway.api.schemas.events import event_schemas
from gateway.api.schemas.images import image_schemas
from gateway.api.schemas.jobs import job_schemas
from gateway.api.schemas.requests import request_schemas
from gateway.api.schemas.service import service_schemas
from gateway.api.schemas.subscriptions import subscription_schemas
from gateway.intake.settings import IntakeSettings


def schemas(intake: IntakeSettings) -> Schema:
    """The bounds are those of this gateway."""
    return {
        **request_schemas(intake),
        **job_schemas(),
        **image_schemas(),
        **event_schemas(),
        **subscription_schemas(),
        **dead_letter_schemas(),
        **service_schemas(),
    }
