"""Events as a gateway sends them, and a page that follows a job."""

from typing import Any, Final

from tests.servers.browser import Page

JOB: Final = "550e8400-e29b-41d4-a716-446655440000"
UNKNOWN: Final = JOB
"""To a real gateway."""


def progress(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "progress", "id": f"e:{number}", "job_id": JOB, **more}


def opening(number: int, *, resumed: bool, heartbeat_s: float = 20, **more: Any) -> dict[str, Any]:
    return progress(number, resumed=resumed, heartbeat_s=heartbeat_s, **more)


def image_complete(number: int, index: int = 0) -> dict[str, Any]:
    return {"type": "image_complete", "id": f"e:{number}", "job_id": JOB, "image": {"index": index}}


def job_complete(number: int) -> dict[str, Any]:
    return {"type": "job_complete", "id": f"e:{number}", "job_id": JOB}


FOLLOW: Final = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
const waits = [];
const onWait = ({{ name, code, message }}, pauseS) => waits.push({{ name, code, message, pauseS }});
const events = [];
let error;
try {{
  for await (const event of new BatchClient().follow("{job_id}", {{ onWait, {options} }})) {{
    events.push(`${{event.type}} ${{event.id}}`);
  }}
}} catch (caught) {{
  error = {{ name: caught.name, status: caught.status, code: caught.code }};
}}
console.log({{ events, waits, error }});
"""


async def followed(page: Page, base_url: str, job_id: str = JOB, options: str = "") -> dict[str, Any]:
    """The events in short, why it waited between, and the error that it ended with."""
    (told,) = await page.run(FOLLOW.format(base_url=base_url, job_id=job_id, options=options))
    outcome: dict[str, Any] = told
    return outcome
