"""What the tests of the S3 store run in a process of its own, to kill it: a put in parts that stops halfway.

python -m tests.integration.s3_store_child SETTINGS BUCKET KEY, the settings as JSON
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

from gateway.adapters.object_store.s3 import open_s3_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.ports.object_store import Bucket, ObjectKey

MB = 1024 * 1024


async def stall_in_mid_upload(settings: ObjectStoreSettings, key: ObjectKey) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x" * MB
        print("stalled", flush=True)
        await asyncio.Event().wait()

    async with open_s3_store(settings) as store:
        await store.put(key, body(), media_type="image/jpeg", max_bytes=100 * MB)


if __name__ == "__main__":
    options, bucket, path = sys.argv[1:]
    settings = ObjectStoreSettings(kind="s3", **json.loads(options))
    asyncio.run(stall_in_mid_upload(settings, ObjectKey(Bucket(bucket), path)))
