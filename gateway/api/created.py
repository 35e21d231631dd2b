"""The answer to a request of which a new job came."""

from collections.abc import Mapping

from aiohttp import web

from gateway.api.answers import json_answer
from gateway.api.idempotency import REPLAYED
from gateway.api.paths import BATCHES
from gateway.api.views import created_fields, to_json
from gateway.jobs.accepting.idempotency import Accepted


def created_answer(accepted: Accepted) -> web.Response:
    """What tells of the job, and where it is."""
    body = to_json(created_fields(accepted.receipt))
    return json_answer(body, status=201, headers=dict(created_headers(accepted)))


def created_headers(accepted: Accepted) -> Mapping[str, str]:
    """Where the job is; an answer that is given again is marked as such."""
    where = {"Location": f"{BATCHES}/{accepted.receipt.job_id}"}
    return {**where, **REPLAYED} if accepted.is_repeat else where
