"""How the WebSocket of a job ends where the gateway can't go on with it: by a code that has the client come back."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.api.live.close_codes import CATALOGUE
from gateway.api.live.websocket.job import CLOSED_BY
from gateway.events.follower import End
from tests.following import follow
from tests.integration.live.jobs_socket import rename
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway


def test_each_end_of_a_subscription_has_its_code():
    assert {end.name: close.code for end, close in CLOSED_BY.items()} == {
        "COMPLETE": 1000,
        "DELETED": 4500,
        "UNREADABLE": 1013,
        "CRASHED": 1011,
    }
    assert set(CLOSED_BY) == set(End)
    assert all(CATALOGUE[close.code] is close for close in CLOSED_BY.values())


async def test_a_log_that_can_not_be_read_now_is_told_by_1013(quiet: QuietGateway, tmp_path: Path) -> None:
    job = await quiet.accept()
    await quiet.publish(job.job_id, 0)
    rename(tmp_path, "events", "elsewhere")
    followed = await follow(quiet.http, "", job.job_id, after="0")
    assert (followed.types, followed.close_code) == (["progress"], 1013)
    rename(tmp_path, "elsewhere", "events")
    async with quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws?after=0") as back:
        assert [(await back.receive_json(timeout=PATIENCE_S))["type"] for _ in range(2)] == [
            "progress",
            "progress",
        ]


async def test_a_log_that_nobody_foresaw_is_told_by_1011(quiet: QuietGateway, tmp_path: Path) -> None:
    job = await quiet.accept()
    await quiet.publish(job.job_id, 0)
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as connection, connection:
        connection.execute("UPDATE events SET data = '{}'")
    followed = await follow(quiet.http, "", job.job_id, after="0")
    assert (followed.types, followed.close_code) == (["progress"], 1011)
