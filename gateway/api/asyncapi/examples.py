"""A message of each kind, as it may come. A test holds them to their shapes."""

from typing import Any, Final

_JOB_ID: Final = "550e8400-e29b-41d4-a716-446655440000"
_ID: Final = "4226da18a35832fa"
_AT: Final = "2026-11-18T10:30:00.244966Z"
_NOW: Final = "2026-11-18T10:30:20.244966Z"
_IMAGE: Final[dict[str, Any]] = {
    "index": 0,
    "original_filename": "photo1.jpg",
    "status": "completed",
    "trace_id": "b-35677e12-15f3-48ad-8720-205d49bf925d",
    "processed_path": "b-35677e12-15f3-48ad-8720-205d49bf925d/photo1.jpg",
    "start_time": "2026-11-18T10:30:00.130151Z",
    "end_time": "2026-11-18T10:30:00.241401Z",
    "metadata": {
        "title": "Building, grey-blue and grey tones, 11 August 2024",
        "description": "Building, grey-blue and grey tones, taken on 11 August 2024 with an Apple iPhone 15.",
        "keywords": ["building", "architecture", "2024"],
        "writer": "local/efficientnet-lite0",
    },
    "sha256": "52646b2fffc082886bc6c6faf529855a12c6228caba13f36b8abdd6342704c69",
}
_REFUSED: Final[dict[str, Any]] = {
    "index": 1,
    "original_filename": "notes.txt",
    "status": "failed",
    "trace_id": "b-2f3fc0b5-a865-417e-b76b-ee7c79e453ab",
    "end_time": "2026-11-18T10:30:00.123315Z",
    "error": "Not an image: it looks like text. Send JPEG or PNG.",
    "code": "not_an_image",
}
_BEGUN: Final[dict[str, Any]] = {
    "job_id": _JOB_ID,
    "status": "processing",
    "progress": 50.0,
    "completed": 0,
    "failed": 1,
    "total_images": 2,
}
_ENDED: Final[dict[str, Any]] = {**_BEGUN, "status": "completed", "progress": 100.0, "completed": 1}
_PRESENT: Final = {"resumed": False, "heartbeat_s": 20.0}
_JOB: Final[dict[str, Any]] = {
    **_ENDED,
    "outcome": "partial",
    "created_at": "2026-11-18T10:30:00.123381Z",
    "started_at": "2026-11-18T10:30:00.130151Z",
    "updated_at": _AT,
    "completed_at": _AT,
}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "opening": {"type": "progress", **_BEGUN, "timestamp": _AT, "id": f"{_ID}:3", **_PRESENT},
    "progress": {"type": "progress", **_BEGUN, "timestamp": _AT, "id": f"{_ID}:4"},
    "imageComplete": {
        "type": "image_complete",
        **_BEGUN,
        "progress": 100.0,
        "completed": 1,
        "timestamp": _AT,
        "id": f"{_ID}:5",
        "image": _IMAGE,
    },
    "jobComplete": {
        "type": "job_complete",
        **_ENDED,
        "outcome": "partial",
        "timestamp": _AT,
        "id": f"{_ID}:6",
    },
    "jobHeartbeat": {"type": "heartbeat", "job_id": _JOB_ID, "timestamp": _NOW},
    "result": {"id": f"{_ID}:2", **_REFUSED},
    "subscribe": {"type": "subscribe", "job_id": _JOB_ID, "after": f"{_ID}:4"},
    "unsubscribe": {"type": "unsubscribe", "job_id": _JOB_ID},
    "subscribed": {"type": "subscribed", "job_id": _JOB_ID, "heartbeat_s": 20.0},
    "unsubscribed": {"type": "unsubscribed", "job_id": _JOB_ID},
    "error": {
        "type": "error",
        "code": "job_not_found",
        "error": "There is no such job.",
        "job_id": _JOB_ID,
    },
    "heartbeat": {"type": "heartbeat", "timestamp": _NOW},
    "jobs": {"type": "jobs", "job_id": "*", "id": f"{_ID}:41", **_PRESENT, "jobs": [_JOB], "total": 1},
    "jobChanged": {"type": "job_changed", "id": f"{_ID}:42", "job": _JOB},
    "jobDeleted": {"type": "job_deleted", "id": f"{_ID}:43", "job_id": _JOB_ID},
}
