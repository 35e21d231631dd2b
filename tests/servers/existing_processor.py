"""A stand-in for the running processor: `python -m tests.servers.existing_processor`, set by its environment.

It writes tags with exiftool into a file whose name says JPEG, so that every PNG fails as with the real one; what goes
wrong it answers as `failed`, with a text for operators. What it can't read it gives back, for ever. Besides the real
one's variables it has one of its own: PNG=fine, for a processor that takes PNGs.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

from attrs import define
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.existing_service import (
    DeclaredQueue,
    Requeued,
    Service,
    main,
    make_buckets,
    moment,
    now,
    object_storage,
    original_bucket,
    processed_bucket,
    read_fields,
    read_object,
    text,
    texts,
    whole_number,
    written,
)

MAX_NAME_BYTES = 255


def words(value: Any) -> dict[str, Any]:
    """The metadata of a message; empty when it has none."""
    if value is not None and not isinstance(value, dict):
        raise ValueError("metadata is not an object")
    found = value or {}
    return {
        "title": text(found.get("title")),
        "description": text(found.get("description")),
        "keywords": texts(found.get("keywords")),
    }


FIELDS = {
    "trace_id": text,
    "group_id": text,
    "original_filename": text,
    "original_path": text,
    "timestamp": moment,
    "metadata": words,
    "telegram_id": whole_number,
}


class Failed(Exception):
    """The image fails; the text is for operators."""


@define(eq=False)
class Processor:
    _storage: Any
    _folder: Path

    async def process(self, body: bytes) -> bytes:
        try:
            message = read_fields(body, FIELDS)
        except (ValueError, RecursionError) as error:
            raise Requeued(str(error)) from error
        try:
            key = await self._tag(message)
        except Failed as error:
            print(f"failed: {error}", flush=True)
            return _result(message, "", "failed", str(error))
        return _result(message, key, "completed")

    async def _tag(self, message: dict[str, Any]) -> str:
        image = await self._download(message["original_path"])
        tagged = await self._with_tags(message["trace_id"], image, message["metadata"])
        key = f"processed/{message['trace_id']}/{message['original_filename']}"
        await self._upload(key, tagged)
        return key

    async def _download(self, key: str) -> bytes:
        try:
            return await read_object(self._storage, original_bucket(), key)
        except ClientError as error:
            why = "The specified key does not exist."
            if error.response["Error"]["Code"] != "NoSuchKey":
                why = error.response["Error"]["Message"]
            raise Failed(f"download failed: failed to read object {key}: {why}") from error
        except (OSError, BotoCoreError) as error:
            raise Failed(f"download failed: failed to read object {key}: {error}") from error

    async def _with_tags(self, trace_id: str, image: bytes, metadata: dict[str, Any]) -> bytes:
        options = _options(metadata)
        if not options or (os.environ.get("PNG") == "fine" and image.startswith(b"\x89PNG")):
            return image
        path = self._folder / f"{trace_id}_temp.jpg"
        path.write_bytes(image)
        try:
            await _exiftool(path, *options)
            return path.read_bytes()
        finally:
            path.unlink()

    async def _upload(self, key: str, image: bytes) -> None:
        """Names that MinIO refuses are refused in its words, whatever the store takes."""
        failed = f"upload failed: failed to upload object {key}: "
        if {".", ".."} & set(key.split("/")):
            raise Failed(f'{failed}Resource name contains bad components such as ".." or ".".')
        if any(len(part.encode()) > MAX_NAME_BYTES for part in key.split("/")):
            raise Failed(f"{failed}Object name contains unsupported characters.")
        try:
            await self._storage.put_object(
                Bucket=processed_bucket(), Key=key, Body=image, ContentType="image/jpeg"
            )
        except (OSError, ClientError, BotoCoreError) as error:
            raise Failed(f"{failed}{error}") from error


def _options(metadata: dict[str, Any]) -> list[str]:
    """As for exiftool; none for empty metadata."""
    title, description, keywords = metadata["title"], metadata["description"], metadata["keywords"] or []
    options = [f"-{tag}={title}" for tag in ("XPTitle", "IPTC:Headline", "XMP-dc:Title") if title]
    described = ("IFD0:ImageDescription", "IPTC:Caption-Abstract", "XMP-dc:Description")
    options += [f"-{tag}={description}" for tag in described if description]
    options += [f"-{tag}+={keyword}" for keyword in keywords for tag in ("IPTC:Keywords", "XMP-dc:Subject")]
    return options


async def _exiftool(path: Path, *options: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "exiftool", "-overwrite_original", "-charset", "utf8", *options, str(path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    if process.returncode:
        told = output.decode(errors="replace").replace(str(path.parent), "/tmp/processor")
        raise Failed(
            f"metadata write failed: exiftool failed: exit status {process.returncode}, output: {told}"
        )


def _result(message: dict[str, Any], path: str, status: str, error: str = "") -> bytes:
    return written(
        {
            "timestamp": now(),
            "trace_id": message["trace_id"],
            "group_id": message["group_id"],
            "telegram_username": "",
            "original_filename": message["original_filename"],
            "processed_path": path,
            "status": status,
            **({"error": error} if error else {}),
            "telegram_id": message["telegram_id"],
        }
    )


async def serve() -> None:
    image_processed = os.environ.get("RABBITMQ_PUBLISHER_QUEUE", "image_processed")
    metadata_generated = os.environ.get("RABBITMQ_CONSUMER_QUEUE", "metadata_generated")
    with tempfile.TemporaryDirectory() as folder:
        async with object_storage() as storage:
            await make_buckets(storage, original_bucket(), processed_bucket())
            service = Service(
                queues=(DeclaredQueue(image_processed), DeclaredQueue(metadata_generated)),
                consumes=metadata_generated,
                publishes=image_processed,
                work=Processor(storage, Path(folder)).process,
            )
            await service.run(int(os.environ.get("HTTP_PORT", "8082")))


if __name__ == "__main__":
    main(serve)
