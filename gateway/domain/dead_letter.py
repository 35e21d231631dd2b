"""A message of ours that was rejected, as we keep it."""

from datetime import datetime

from attrs import frozen


@frozen(kw_only=True)
class DeadLetter:
    """A copy of the message by which one attempt ended; `dead_letter_id` is that attempt's name, so none is kept twice.

    `queue`, `reason` and `count` are what was said of the reject: by our analyzer, else by the broker (`x-death`).
    `index` is None when the job was gone already. `body` is the message's JSON.
    """

    dead_letter_id: str
    job_id: str
    index: int | None
    trace_id: str
    attempt: int
    queue: str
    reason: str
    code: str
    count: int
    at: datetime
    body: str
