"""A script that knows nothing of any client: the example of those who ordered the gateway, as it stands there."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests import builders
from tests.patience import PATIENCE_S
from tests.servers.browser import browser_page
from tests.servers.quiet_gateway import QuietGateway

pytestmark = pytest.mark.asyncio(loop_scope="package")

JOB: Final = "550e8400-e29b-41d4-a716-446655440000"
GATEWAY: Final = "localhost:8080"
EXAMPLE: Final = """
const jobId = '550e8400-e29b-41d4-a716-446655440000';
const ws = new WebSocket(`ws://localhost:8080/api/v1/batch/${jobId}/ws`);

ws.onmessage = (event) => {
  const update = JSON.parse(event.data);
  console.log(`Progress: ${update.progress}% (${update.completed}/${update.total_images})`);

  if (update.type === 'job_complete') {
    console.log('Batch job completed!');
    ws.close();
  }
};
"""
STATE: Final = re.compile(r"Progress: ([\d.]+)% \(([012])/2\)")


async def test_it_prints_what_it_says(quiet: QuietGateway, tmp_path: Path) -> None:
    """Byte for byte: the job has the id of the example, and the browser is told where its host is."""
    await quiet.ledger.add(builders.an_accepted_job(2, job_id=JOB, now=datetime.now(UTC)), reserved=())
    there = f"--host-resolver-rules=MAP {GATEWAY} 127.0.0.1:{quiet.port}"
    async with browser_page(tmp_path, {}, there) as page:
        printing = asyncio.create_task(
            page.run(f"{EXAMPLE}\nawait new Promise((closed) => (ws.onclose = closed));")
        )
        async with asyncio.timeout(PATIENCE_S):
            while not quiet.context.hub.topics:
                await asyncio.sleep(0.02)
        for index in range(2):
            await quiet.complete(JOB, index)
        *states, last_state, farewell = await printing
    assert (last_state, farewell) == ("Progress: 100% (2/2)", "Batch job completed!")
    told = [STATE.fullmatch(state) for state in states]
    assert all(told)
    percentages = [float(state[1]) for state in told if state]
    assert percentages == sorted(percentages)
