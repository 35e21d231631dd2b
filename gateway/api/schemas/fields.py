"""Fields that more than one shape has."""

from typing import Final

from gateway.api.schemas.building import Schema, count, ref, text

JOB_ID: Final = text("The job.", format="uuid")
INDEX: Final = count("The image's place in the batch, from 0.")
TRACE_ID: Final = text("The image's name in messages and logs; never changes.")
NEXT_CURSOR: Final = text("For the next page; left out on the last one.")
TOTAL: Final = count("All that match, on all pages.")
RETRY_OF: Final[Schema] = {
    "retry_of": text("The job whose failed images it tries again; its time may be over.", format="uuid")
}
OUTCOME: Final[Schema] = {"outcome": ref("Outcome")}
PROGRESS: Final[Schema] = {
    "type": "number",
    "minimum": 0,
    "maximum": 100,
    "description": "Percentage of images that have ended; exactly 100 when all have.",
}
COUNTS: Final[Schema] = {
    "total_images": count("Images of the batch."),
    "completed": count("Images that were tagged."),
    "failed": count("Images that failed."),
}
CANCELLED: Final[Schema] = {"cancelled": count("Images that were cancelled; left out when there are none.")}
JOB_HEAD: Final[Schema] = {"job_id": JOB_ID, "status": ref("Status"), **COUNTS, "progress": PROGRESS}
POSITION: Final = text("The event's position, to go on behind it by after.")
