"""The answer to a request of which a new job came."""

from aiohttp import web

from gateway.api.answers import json_answer
from gateway.api.idempotency import REPLAYED
from gateway.api.paths import BATCHES
from gateway.api.views import created_fields, to_json
from gateway.jobs.accepting.idempotency import Accepted


def created_answer(accepted: Accepted) -> web.Response:
    """What tells of the job, and where it is; to a repeat the same again, marked as such."""
    headers = {"Location": f"{BATCHES}/{accepted.receipt.job_id}"}
    if accepted.is_repeat:
        headers |= REPLAYED
    return json_answer(to_json(created_fields(accepted.receipt)), status=201, headers=headers)
