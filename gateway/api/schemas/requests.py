"""What clients send, and what a new batch is answered with."""

from gateway.api.schemas.building import Schema, an_object, list_of, ref, text, time
from gateway.api.schemas.fields import JOB_ID, RETRY_OF
from gateway.intake.settings import IntakeSettings
from gateway.metadata import FieldPolicy


def request_schemas(intake: IntakeSettings) -> Schema:
    """The bounds are those of this gateway."""
    return {
        "NewBatch": _new_batch(intake),
        "BatchForm": _batch_form(intake),
        "NewImage": _new_image(intake),
        "Options": _options(),
        "Retry": _retry(intake),
        "CreatedBatch": _created_batch(),
    }


def options_as_json() -> Schema:
    """Where they are a text."""
    return text("Options, as JSON.", contentMediaType="application/json", contentSchema=ref("Options"))


def _new_batch(intake: IntakeSettings) -> Schema:
    images = list_of("NewImage", minItems=1, maxItems=intake.max_images)
    return {**an_object({"images": images}, {"options": ref("Options")}), "additionalProperties": False}


def _batch_form(intake: IntakeSettings) -> Schema:
    image = {"contentMediaType": "image/*"}
    images = {
        "type": "array",
        "items": image,
        "minItems": 1,
        "maxItems": intake.max_images,
        "description": "Parts with a file name, in order; by any other field name they are images as well.",
    }
    names = {
        "type": "array",
        "items": {"type": "string", "maxLength": 4096},
        "maxItems": intake.max_images,
        "description": "What the images are called, in their order, if not by their files: none, or one for each.",
    }
    optional = {"name": names, "options": options_as_json()}
    return {**an_object({"images": images}, optional), "additionalProperties": image}


def _options() -> Schema:
    word = {"type": "string", "enum": list(FieldPolicy)}
    metadata = an_object(
        {},
        {"title": word, "description": word, "keywords": word},
        "What becomes of the title, description and keywords that an image has already, by these names. replace: the "
        "new ones stand in their place. append: the new ones are added, none twice. keep: they stay, and new ones are "
        "written only where there were none. One that is left out: as this gateway is set.",
    )
    options = an_object(
        {}, {"metadata": {**metadata, "additionalProperties": False}}, "For all images of the batch."
    )
    return {**options, "additionalProperties": False}


def _new_image(intake: IntakeSettings) -> Schema:
    properties = {
        "url": text("Where to download the image: http or https, a public address.", format="uri"),
        "base64": text(
            "The image's bytes as base64, with or without a data URI prefix; "
            f"at most {intake.max_image_bytes} bytes once decoded."
        ),
        "name": text("What the image is called; by default the last part of the URL, else image-<index>."),
    }
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "oneOf": [{"required": ["url"]}, {"required": ["base64"]}],
        "description": "One image, JPEG or PNG by content: either url or base64.",
    }


def _retry(intake: IntakeSettings) -> Schema:
    images = {
        "type": "array",
        "items": {"type": "integer", "minimum": 0},
        "minItems": 1,
        "maxItems": intake.max_images,
        "uniqueItems": True,
        "description": "Which images by their index, in the order that they will have; without it, all that failed.",
    }
    return {**an_object({}, {"images": images}), "additionalProperties": False}


def _created_batch() -> Schema:
    required = {
        "job_id": JOB_ID,
        "status": ref("Status"),
        "created_at": time("When the batch was accepted."),
        "message": text("For a person.", examples=["Batch job created with 2 images"]),
    }
    return an_object(required, RETRY_OF)
