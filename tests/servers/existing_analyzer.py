"""A stand-in for the running analyzer: `python -m tests.servers.existing_analyzer`, set by its environment.

It asks no model: its words come from the image's bytes. What it can't do it rejects, whatever the reason, and says
nothing else; so it does with all that it has in hand at SIGTERM. What it leaves out is the time that the real one
wastes on a hopeless image. Besides the real one's variables it has its own, to fail when asked to:

    FAIL_FIRST=2       the model fails on the first two images
    FAIL_NAMES=bad*    and always on images of such names
    NO_WORDS_NAMES=    it answers {} on images of such names
    ANALYSIS_S=0.5     it takes so long
"""

import asyncio
import hashlib
import io
import os
from fnmatch import fnmatchcase
from typing import Any

from attrs import define
from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image, UnidentifiedImageError

from tests.servers.existing_service import (
    TO_DEAD_LETTERS,
    DeclaredQueue,
    Rejected,
    Service,
    main,
    make_buckets,
    moment,
    now,
    object_storage,
    original_bucket,
    read_fields,
    read_object,
    text,
    whole_number,
    written,
)

FIELDS = {
    "timestamp": moment,
    "trace_id": text,
    "group_id": text,
    "telegram_username": text,
    "original_filename": text,
    "original_path": text,
    "telegram_id": whole_number,
}


@define(eq=False)
class Analyzer:
    _storage: Any
    _failures_left: int

    async def analyse(self, body: bytes) -> bytes:
        try:
            message = read_fields(body, FIELDS)
            image = await read_object(self._storage, original_bucket(), message["original_path"])
            await asyncio.to_thread(_decode, image)
            words = await self._ask_model(message["original_filename"], image)
        except (ValueError, OSError, SyntaxError, RecursionError, ClientError, BotoCoreError) as error:
            raise Rejected(str(error)) from error
        return written(
            {
                "trace_id": message["trace_id"],
                "group_id": message["group_id"],
                "original_filename": message["original_filename"],
                "original_path": message["original_path"],
                "timestamp": now(),
                "metadata": words,
                "telegram_id": message["telegram_id"],
            }
        )

    async def _ask_model(self, name: str, image: bytes) -> dict[str, Any]:
        await asyncio.sleep(float(os.environ.get("ANALYSIS_S", "0")))
        if fnmatchcase(name, os.environ.get("FAIL_NAMES", "")):
            raise ValueError("the model fails on this name")
        if self._failures_left:
            self._failures_left -= 1
            raise ValueError("the model fails")
        if fnmatchcase(name, os.environ.get("NO_WORDS_NAMES", "")):
            return {"title": "", "description": "", "keywords": None}
        return _words(image)


def _words(image: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(image).hexdigest()
    return {
        "title": f"Tïtle {digest[:8]}",
        "description": f"What one sees: {digest[8:16]} – “quoted”, ünïcode",
        "keywords": [f"kw-{digest[:6]}", "zwei Wörter", "red & blue"],
    }


def _decode(image: bytes) -> None:
    try:
        with Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as picture:
            picture.load()
    except UnidentifiedImageError as error:
        raise ValueError("not an image") from error


async def serve() -> None:
    metadata_generated = os.environ.get("RABBITMQ_PUBLISHER_QUEUE", "metadata_generated")
    image_upload = os.environ.get("RABBITMQ_CONSUMER_QUEUE", "image_upload")
    async with object_storage() as storage:
        await make_buckets(storage, original_bucket())
        service = Service(
            queues=(
                DeclaredQueue("dead_letter_queue"),
                DeclaredQueue(metadata_generated),
                DeclaredQueue(image_upload, TO_DEAD_LETTERS),
            ),
            consumes=image_upload,
            publishes=metadata_generated,
            work=Analyzer(storage, int(os.environ.get("FAIL_FIRST", "0"))).analyse,
        )
        await service.run(int(os.environ.get("HTTP_PORT", "8081")))


if __name__ == "__main__":
    main(serve)
