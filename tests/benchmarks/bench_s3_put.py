"""P13: what a put into S3 costs the client, against aiobotocore's client with default settings.

Both put the same bytes into a real S3 server (rclone), a process of its own; what is measured is the CPU time of this
process. Our side is the store as the gateway uses it, fed with chunks as they come from a request. The reference has
the whole object at hand, and puts a large one in parts of the same size.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from gateway.adapters.object_store.s3 import S3ObjectStore, open_s3_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.ports.object_store import Bucket, ObjectKey
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Row, at_most
from tests.servers.s3 import plain_client, running_rclone

MB = 1024 * 1024
CHUNK_BYTES = 190_000
"""About what one read of a request's body gives."""
ROUNDS = 9

Put = Callable[[str, bytes], Awaitable[object]]


async def run() -> list[Row]:
    """One MB by one request, ten in two parts."""
    with tempfile.TemporaryDirectory() as folder, running_rclone(Path(folder)) as server:
        settings = ObjectStoreSettings(kind="s3", **server.options())
        async with open_s3_store(settings) as store, plain_client(server) as client:
            default = DefaultClient(client, settings)
            ours = partial(put_by_the_store, store)
            return [
                await compared(ours, default.put, 1 * MB, puts=30, name="S3 put, 1 MB", bound=0.60),
                await compared(ours, default.put_in_parts, 10 * MB, puts=4, name="S3 put, 10 MB", bound=0.65),
            ]


async def compared(ours: Put, reference: Put, size: int, *, puts: int, name: str, bound: float) -> Row:
    content = bytes(size)
    numbers = count()

    async def cpu_ms(put: Put) -> float:
        before = time.process_time()
        for _ in range(puts):
            await put(f"bench/{next(numbers)}", content)
        return (time.process_time() - before) / puts * 1000

    own, other = await interleaved(partial(cpu_ms, ours), partial(cpu_ms, reference), rounds=ROUNDS)
    return Row(
        name=name,
        value=own,
        unit="CPU ms",
        reference=other,
        compared_with="aiobotocore with default settings, the same requests",
        goal=at_most(bound),
    )


async def put_by_the_store(store: S3ObjectStore, key: str, content: bytes) -> None:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), CHUNK_BYTES):
            yield content[start : start + CHUNK_BYTES]

    await store.put(ObjectKey(Bucket.ORIGINAL, key), body(), media_type="image/jpeg", max_bytes=len(content))


class DefaultClient:
    """Puts as its documentation shows."""

    def __init__(self, client: Any, settings: ObjectStoreSettings) -> None:
        self._client = client
        self._bucket = settings.original_bucket
        self._part_bytes = settings.part_bytes

    async def put(self, key: str, content: bytes) -> None:
        await self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType="image/jpeg")

    async def put_in_parts(self, key: str, content: bytes) -> None:
        there = {"Bucket": self._bucket, "Key": key}
        begun = await self._client.create_multipart_upload(**there, ContentType="image/jpeg")
        parts = []
        for number, start in enumerate(range(0, len(content), self._part_bytes), 1):
            part = content[start : start + self._part_bytes]
            answer = await self._client.upload_part(
                **there, UploadId=begun["UploadId"], PartNumber=number, Body=part
            )
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        await self._client.complete_multipart_upload(
            **there, UploadId=begun["UploadId"], MultipartUpload={"Parts": parts}
        )
