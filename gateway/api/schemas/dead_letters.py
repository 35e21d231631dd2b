"""Dead letters, and what became of them."""

from gateway.api.schemas.building import Schema, an_object, count, from_one, list_of, text, time
from gateway.api.schemas.fields import INDEX, JOB_ID, NEXT_CURSOR, TRACE_ID
from gateway.failure_codes import ANALYSIS_CODES


def dead_letter_schemas() -> Schema:
    return {
        "DeadLetter": _dead_letter(),
        "DeadLetterPage": _dead_letter_page(),
        "DeletedDeadLetters": an_object({"deleted": count("So many there were.")}),
        "SentAgain": _sent_again(),
    }


def _dead_letter() -> Schema:
    required = {
        "id": text("Its name: that of the attempt that it ended."),
        "job_id": JOB_ID,
        "trace_id": TRACE_ID,
        "attempt": from_one("Which attempt of the image it ended."),
        "queue": text("The queue in which the message was rejected."),
        "reason": text("Why, as the analyzer says it; rejected, where it says nothing."),
        "code": text(f"Why, as a stable word: {', '.join(ANALYSIS_CODES)}; more may come."),
        "count": from_one("How often the message was rejected there."),
        "at": time("When it was found."),
        "body": {"type": "object", "additionalProperties": True, "description": "The message itself."},
    }
    return an_object(required, {"index": INDEX}, "Without index the batch was gone already.")


def _dead_letter_page() -> Schema:
    return an_object(
        {
            "dead_letters": list_of("DeadLetter", description="Newest first."),
            "total": count("All, on all pages."),
        },
        {"next_cursor": NEXT_CURSOR},
    )


def _sent_again() -> Schema:
    attempt = from_one("The attempt that it waits for.")
    return an_object({"job_id": JOB_ID, "index": INDEX, "trace_id": TRACE_ID, "attempt": attempt})
