"""The S3 servers that tests run on: that they keep, forget and come back as their module says."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.servers.s3 import S3Server, plain_client, running_moto, running_rclone


@pytest.mark.parametrize("running", [running_rclone, running_moto])
async def test_a_server_takes_objects_and_comes_back_after_a_kill(
    running: Callable[[Path], AbstractContextManager[S3Server]], tmp_path: Path
) -> None:
    with running(tmp_path) as server:
        bucket = server.options()["original_bucket"]
        for _ in range(2):
            async with plain_client(server) as client:
                if not any(found["Name"] == bucket for found in (await client.list_buckets())["Buckets"]):
                    await client.create_bucket(Bucket=bucket)
                    await client.put_object(Bucket=bucket, Key="a/b", Body=b"here")
                answer = await client.get_object(Bucket=bucket, Key="a/b")
                async with answer["Body"] as body:
                    assert await body.read() == b"here"
            server.kill()
            server.start()


async def test_rclone_keeps_its_objects_over_a_kill(tmp_path: Path) -> None:
    with running_rclone(tmp_path) as server:
        async with plain_client(server) as client:
            await client.create_bucket(Bucket="kept")
            await client.put_object(Bucket="kept", Key="a/b", Body=b"here")
        server.kill()
        server.restart()
        async with plain_client(server) as client:
            assert (await client.head_object(Bucket="kept", Key="a/b"))["ContentLength"] == 4
