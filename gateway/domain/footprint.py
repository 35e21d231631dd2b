"""Roughly what a job costs in memory, for caches that are bounded by bytes.

Most of an image's cost is what others wrote: its name, its address, its words, why it failed.
"""

from gateway.domain.job import Image, Job

JOB_BYTES = 1024
IMAGE_BYTES = 1024
"""All but the texts of unknown length."""


def footprint(job: Job) -> int:
    """Bytes that the job holds."""
    return JOB_BYTES + sum(map(_image_bytes, job.images))


def growth(before: Job, after: Job) -> int:
    """By how many bytes a job changed. Images are values: what is the same object costs the same."""
    both = zip(before.images, after.images, strict=True)
    return sum([_image_bytes(now) - _image_bytes(then) for then, now in both if now is not then])


def _image_bytes(image: Image) -> int:
    """Without a loop over its few texts, which would cost more than to measure them."""
    size = (
        IMAGE_BYTES
        + _text_bytes(image.original_filename)
        + _text_bytes(image.source_url or "")
        + _text_bytes(image.processed_path or "")
    )
    if image.failure:
        size += _text_bytes(image.failure.error)
    if words := image.metadata:
        size += _text_bytes(words.title) + _text_bytes(words.description) + _text_bytes(words.writer)
        size += sum(map(_text_bytes, words.keywords))
    return size


def _text_bytes(text: str) -> int:
    """The same at any time: Python keeps the UTF-8 of a text once somebody asked for it, and getsizeof then grows."""
    if text.isascii():
        return 49 + len(text)
    widest = ord(max(text))
    width = 1 if widest < 0x100 else 2 if widest < 0x10000 else 4
    return 76 + width * len(text) + len(text.encode("utf-8", "surrogatepass"))
