"""The operations on dead letters."""

from gateway.api.openapi.blocks import (
    CURSOR,
    LIMIT,
    NO_ROOM,
    RETRIED,
    UNAVAILABLE,
    header,
    json_answer,
    operation,
    problem,
    query,
)
from gateway.api.schemas.building import Schema


def list_dead_letters() -> Schema:
    return operation(
        "dead letters",
        "listDeadLetters",
        "List messages of ours that an analyzer rejected, newest first",
        {
            "200": json_answer("A page.", "DeadLetterPage"),
            "400": problem("A parameter is wrong."),
            "503": UNAVAILABLE,
        },
        description="Each ended one attempt of an image. It is kept as long as the batch, or until it is dealt with.",
        parameters=[query("limit", "Dead letters on a page.", LIMIT), CURSOR],
    )


def requeue() -> Schema:
    return operation(
        "dead letters",
        "requeueDeadLetter",
        "Send the image of a dead letter again",
        {
            "201": json_answer(
                "The image has failed: a new batch tries it again.",
                "CreatedBatch",
                {"Location": header("The status of the new batch.")},
                example=RETRIED,
            ),
            "202": json_answer("The image is open: it gets another attempt at once.", "SentAgain"),
            "404": problem("No such dead letter, or it was requeued or deleted."),
            "409": problem("The image was completed or cancelled, or the batch or its original is gone."),
            "503": UNAVAILABLE,
            "507": NO_ROOM,
        },
        description="The dead letter is gone with it, so it is good for one attempt.",
    )


def delete_dead_letter() -> Schema:
    return operation(
        "dead letters",
        "deleteDeadLetter",
        "Delete a dead letter",
        {
            "204": {"description": "It is gone; its image stays as it is."},
            "404": problem("No such dead letter, or it was requeued or deleted."),
            "503": UNAVAILABLE,
            "507": NO_ROOM,
        },
    )


def delete_dead_letters() -> Schema:
    return operation(
        "dead letters",
        "deleteDeadLetters",
        "Delete all dead letters",
        {
            "200": json_answer("They are gone; their images stay as they are.", "DeletedDeadLetters"),
            "503": UNAVAILABLE,
            "507": NO_ROOM,
        },
    )
