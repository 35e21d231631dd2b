"""The bound on a helper's memory leaves room for the largest image that is let in, with all that a helper loads."""

import io
import os
import resource

from PIL import Image

from gateway.analyzer.local.describe import WRITER_WHO_SEES, Described, describe
from gateway.images.inspect import MAX_PIXELS
from gateway.processes import HelperProcesses, HelperSettings
from gateway.processor.tags import write_tags
from tests.pictures import plain, tags_of

CALL_S = 60.0
SIDE = 10_000


def address_space_bound() -> int:
    return resource.getrlimit(resource.RLIMIT_AS)[0]


async def test_the_largest_png_is_looked_at_and_tagged_within_the_default_bound():
    assert SIDE * SIDE == MAX_PIXELS
    file = io.BytesIO()
    Image.new("RGBA", (SIDE, SIDE), "teal").save(file, "PNG", compress_level=1)
    helpers = HelperProcesses(HelperSettings(count=1))

    async def looked_at(image: bytes) -> Described:
        return await helpers.run(describe, image, "sea.png", MAX_PIXELS, 0.7, True, timeout_s=CALL_S)

    try:
        await looked_at(plain("JPEG"))  # loads what is kept
        pid = await helpers.run(os.getpid, timeout_s=CALL_S)
        described = await looked_at(file.getvalue())
        tagged = await helpers.run(write_tags, file.getvalue(), described.metadata, timeout_s=CALL_S)
        bound = await helpers.run(address_space_bound, timeout_s=CALL_S)
        assert await helpers.run(os.getpid, timeout_s=CALL_S) == pid, "it died, and another one did it"
    finally:
        await helpers.close()
    assert bound == HelperSettings().max_memory_bytes
    assert (described.failed_parts, described.metadata.writer) == ({}, WRITER_WHO_SEES)
    assert tags_of(tagged)["XMP-dc:Title"] == described.metadata.title
