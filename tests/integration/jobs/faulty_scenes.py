"""The real parts of a gateway on a real S3 that fails on request, and what really lies there.

async with scene_on(rclone, tmp_path) as scene:
    scene.store.fault = refused(503, "SlowDown")
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define, evolve

from gateway.adapters.object_store.s3 import open_s3_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from tests.integration.jobs.parts import LATE_S, Parts, parts_in
from tests.patience import PATIENCE_S
from tests.servers.faulty_s3 import FaultyS3, faulty_s3
from tests.servers.s3 import S3Server, keys_in, uploads_in


@define(eq=False)
class Scene:
    """A gateway's parts on a faulty S3, and what really lies there."""

    parts: Parts
    store: FaultyS3
    bucket: str

    async def objects(self) -> list[str]:
        return await keys_in(self.store.behind, self.bucket)

    async def has_objects(self, count: int) -> None:
        """Wait until so many lie there."""
        async with asyncio.timeout(PATIENCE_S):
            while len(await self.objects()) < count:
                await asyncio.sleep(0.01)

    async def uploads(self) -> list[str]:
        """In parts, and incomplete."""
        return await uploads_in(self.store.behind, self.bucket)

    async def reserved(self) -> int:
        """Trace ids that stand, but for those that wait for a request."""
        await self.parts.reserved.give_back()
        return len(await self.parts.jobs.overdue(self.parts.clock.now().replace(year=9000), limit=1000))

    async def cleaned(self, after_s: float) -> None:
        self.parts.clock.turn(after_s)
        await self.parts.cleaner.run_once()

    async def nothing_is_left(self) -> None:
        """As soon as no put that was given up can arrive any more: of objects, of uploads, and of reservations."""
        await self.cleaned(after_s=LATE_S + 1)
        assert (await self.objects(), await self.uploads()) == ([], [])
        assert (await self.parts.jobs.page(limit=1)).total == 0
        assert await self.reserved() == 0


@asynccontextmanager
async def scene_on(server: S3Server, folder: Path, **options: Any) -> AsyncIterator[Scene]:
    """`options` of the object store, beside those that name the server."""
    async with faulty_s3(server) as store:
        settings = ObjectStoreSettings(
            kind="s3", **{**server.options(), "endpoint": store.endpoint, **options}
        )
        async with open_s3_store(settings) as objects, parts_in(folder) as parts:
            yield Scene(
                evolve(parts, objects=objects, puts_are_repeated=True), store, settings.original_bucket
            )
