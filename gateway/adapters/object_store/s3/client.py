"""The calls to S3 that we make, with types: the edge behind which aiobotocore's untyped client lies.

Each has a deadline, and raises what `faults` makes of errors.
"""

import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, BinaryIO, Final

from attrs import define, frozen

from gateway.adapters.object_store.s3.faults import NotThere, asked, down
from gateway.adapters.object_store.s3.puts import Puts

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")


@frozen
class Place:
    """Where an object lies: the bucket's name, and its key."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"

    @property
    def as_arguments(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}


@frozen
class Facts:
    """Of an object: its size in bytes and its etag, unquoted. Of a GET that no S3 has answered, the etag is empty."""

    size: int
    etag: str


@frozen
class OpenBody:
    """An answer whose `length` bytes are still to be read from `stream`; `object_facts` are those of the whole."""

    object_facts: Facts
    length: int
    first: int
    stream: Any


@frozen
class Part:
    """A part of a multipart upload that has arrived."""

    number: int
    etag: str


@define(eq=False)
class S3Client:
    """Raises Unavailable, NoRoom, NotThere."""

    _client: Any
    _puts: Puts
    _timeout_s: float

    async def put(self, place: Place, body: BinaryIO, media_type: str) -> str:
        """The etag."""
        what = f"PUT {place}"
        call = self._puts.put(place.bucket, place.key, body, {"Content-Type": media_type}, {})
        return _unquoted(_told(await self._ask(call, what), "ETag", what))

    async def head(self, place: Place) -> Facts:
        what = f"HEAD {place}"
        answer = await self._ask(self._client.head_object(**place.as_arguments), what)
        return Facts(int(_told(answer, "ContentLength", what)), _unquoted(_told(answer, "ETag", what)))

    async def get(self, place: Place, start: int, end: int | None) -> OpenBody:
        """From `start` up to `end`, exclusive. Raises Refused with InvalidRange past the end.

        Whoever gets it closes it: until then it holds a connection of the pool.
        """
        wanted = (
            {} if start == 0 and end is None else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        )
        answer = await self._ask(self._client.get_object(**place.as_arguments, **wanted), f"GET {place}")
        length = int(answer.get("ContentLength", -1))
        first, size = _content_range(answer.get("ContentRange"), length)
        return OpenBody(Facts(size, _unquoted(answer.get("ETag", ""))), length, first, answer["Body"])

    async def read(self, body: OpenBody, size: int, place: Place) -> bytes:
        """At most `size` bytes, as soon as there are some; empty at the end."""
        chunk: bytes = await self._ask(body.stream.read(size), f"GET {place}")
        return chunk

    async def delete(self, place: Place) -> None:
        await self._ask(self._client.delete_object(**place.as_arguments), f"DELETE {place}")

    async def begin_upload(self, place: Place, media_type: str) -> str:
        """The upload's id."""
        what = f"begin of an upload of {place}"
        call = self._client.create_multipart_upload(**place.as_arguments, ContentType=media_type)
        return _told(await self._ask(call, what), "UploadId", what)

    async def put_part(self, place: Place, upload_id: str, number: int, body: BinaryIO) -> Part:
        what = f"part {number} of {place}"
        query = {"partNumber": str(number), "uploadId": upload_id}
        call = self._puts.put(place.bucket, place.key, body, {}, query)
        return Part(number, _told(await self._ask(call, what), "ETag", what))

    async def complete_upload(self, place: Place, upload_id: str, parts: Sequence[Part]) -> str:
        """The object's etag; to rclone that of the parts, which no other answer repeats."""
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        what = f"end of an upload of {place}"
        call = self._client.complete_multipart_upload(
            **place.as_arguments, UploadId=upload_id, MultipartUpload={"Parts": listed}
        )
        return _unquoted(_told(await self._ask(call, what), "ETag", what))

    async def abort_upload(self, place: Place, upload_id: str) -> None:
        """One that is not there is fine."""
        call = self._client.abort_multipart_upload(**place.as_arguments, UploadId=upload_id)
        try:
            await self._ask(call, f"abort of an upload of {place}")
        except NotThere:
            return

    async def uploads(self, place: Place) -> Sequence[str]:
        """The ids of incomplete uploads of exactly this key; those come first among all with it as prefix."""
        call = self._client.list_multipart_uploads(Bucket=place.bucket, Prefix=place.key)
        try:
            answer = await self._ask(call, f"list of uploads of {place}")
        except NotThere:  # so rclone says that there is none
            return []
        return [str(found["UploadId"]) for found in answer.get("Uploads", []) if found["Key"] == place.key]

    async def head_bucket(self, bucket: str) -> None:
        await self._ask(self._client.head_bucket(Bucket=bucket), f"HEAD of the bucket {bucket}")

    async def make_bucket(self, bucket: str, region: str) -> None:
        """Where S3 has regions, it wants the name of any but its first."""
        there = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        await self._ask(self._client.create_bucket(Bucket=bucket, **there), f"making of the bucket {bucket}")

    async def _ask(self, call: Awaitable[Any], what: str) -> Any:
        return await asked(call, what, self._timeout_s)


def _told(answer: Mapping[str, Any], name: str, what: str) -> str:
    """What every S3 says; raises Unavailable where it is missing, for then something else has answered."""
    if answer.get(name) in (None, ""):
        raise down(what, f"the answer tells no {name}")
    return str(answer[name])


def _unquoted(etag: str) -> str:
    return etag.strip('"')


def _content_range(header: str | None, length: int) -> tuple[int, int]:
    """The first byte and the size of the whole, from `bytes 3-7/10`; without one, the answer is the whole.

    Both are -1, which nobody asked for, where it can't be read.
    """
    if header is None:
        return 0, length
    found = _CONTENT_RANGE.fullmatch(header)
    return (int(found[1]), int(found[2])) if found else (-1, -1)
