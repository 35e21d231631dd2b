"""What is said on a WebSocket for many jobs besides the events of each job."""

from datetime import datetime

from attrs import define

from gateway.api.live.websocket.client_messages import ALL_JOBS
from gateway.api.live.websocket.wires import text_message
from gateway.api.views import Fields, job_fields, to_json
from gateway.ports.job_store import JobPage, JobSummary


def subscribed(job_id: str, heartbeat_s: float) -> bytes:
    return _message({"type": "subscribed", "job_id": job_id, "heartbeat_s": heartbeat_s})


def unsubscribed(job_id: str) -> bytes:
    return _message({"type": "unsubscribed", "job_id": job_id})


def refused(code: str, text: str, job_id: str | None) -> bytes:
    """An answer to what was not understood or is not done, or the end of a subscription."""
    error = {"type": "error", "code": code, "error": text}
    return _message(error if job_id is None else {**error, "job_id": job_id})


def heartbeat(now: datetime) -> bytes:
    return _message({"type": "heartbeat", "timestamp": now})


@define(eq=False)
class BoardMessages:
    """The list of all jobs, and what changes in it."""

    _heartbeat_s: float

    def opening(self, position: str, page: JobPage | None) -> bytes:
        first = {
            "type": "jobs",
            "job_id": ALL_JOBS,
            "id": position,
            "resumed": page is None,
            "heartbeat_s": self._heartbeat_s,
        }
        if page is None:
            return _message(first)
        return _message({**first, "jobs": list(map(job_fields, page.jobs)), "total": page.total})

    def changed(self, position: str, job: JobSummary) -> bytes:
        return _message({"type": "job_changed", "id": position, "job": job_fields(job)})

    def deleted(self, position: str, job_id: str) -> bytes:
        return _message({"type": "job_deleted", "id": position, "job_id": job_id})


def _message(fields: Fields) -> bytes:
    return text_message(to_json(fields))
