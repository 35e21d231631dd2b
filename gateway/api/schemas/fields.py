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
RESUMED: Final[Schema] = {
    "type": "boolean",
    "description": "true: what follows goes on behind the position that was named. false: this is the present state.",
}
HEARTBEAT_S: Final[Schema] = {
    "type": "number",
    "exclusiveMinimum": 0,
    "description": "Most seconds between signs of life. A connection is dead when nothing came for 2.5 times as long.",
}
AFTER: Final = text(
    "Position of the last event that you have seen, to go on behind it; 0 for everything from the start. With none, "
    "or one that can't be gone on from, the present state comes first."
)
IMAGES: Final[Schema] = {
    "type": "boolean",
    "default": False,
    "description": "Whether the present state comes with all its images.",
}
FOLLOW: Final[Schema] = {
    "type": "boolean",
    "default": False,
    "description": "Whether to wait for those that are still to come, to the end of the job.",
}
