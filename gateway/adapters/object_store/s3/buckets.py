"""The two buckets: made where they are missing, or looked for.

Services that start together on an empty store race to make them; whoever loses finds them there, which is as good.
"""

from typing import Final

from attrs import define, field

from gateway.adapters.object_store.s3.client import Place, S3Client
from gateway.adapters.object_store.s3.faults import BucketMissing, NotThere, Refused
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.ports.object_store import Bucket, ObjectKey

_MADE_BY_ANOTHER: Final = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


@define(eq=False)
class Buckets:
    """Their names; and that they are there, once that was seen."""

    _client: S3Client
    _settings: ObjectStoreSettings
    _are_there: bool = field(init=False, default=False)

    def place_of(self, key: ObjectKey) -> Place:
        original, processed = self._names
        return Place(original if key.bucket is Bucket.ORIGINAL else processed, key.key)

    async def ensure(self) -> None:
        """Before an operation: asks nothing once they were there. Raises Unavailable."""
        if not self._are_there:
            await self.look()

    async def look(self) -> None:
        """Make what is missing, or raise BucketMissing where that is not wanted; Unavailable."""
        for name in self._names:
            await self._look_for(name)
        self._are_there = True

    def forget(self) -> None:
        """An operation has found one missing: look again before the next."""
        self._are_there = False

    async def _look_for(self, name: str) -> None:
        try:
            await self._client.head_bucket(name)
        except NotThere:
            if not self._settings.create_buckets:
                raise BucketMissing(
                    "The object storage lacks a bucket.",
                    detail=f"the bucket {name} is missing, and create_buckets is off",
                ) from None
            await self._make(name)

    async def _make(self, name: str) -> None:
        try:
            await self._client.make_bucket(name, self._settings.region)
        except Refused as error:
            if error.s3_code not in _MADE_BY_ANOTHER:
                raise
        except NotThere as error:
            detail = f"{error}: what answers there is no S3"
            raise Refused(detail, "404") from None
        try:
            await self._client.head_bucket(name)
        except NotThere:
            raise BucketMissing(
                "The object storage lacks a bucket.", detail=f"{name} was made in vain"
            ) from None

    @property
    def _names(self) -> tuple[str, str]:
        return self._settings.original_bucket, self._settings.processed_bucket
