"""The parts of the pipeline, each measured alone: what a photo costs before anything moves it from one to the next."""

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from attrs import frozen

from gateway.adapters.object_store.folder import PIECE_BYTES, open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.analyzer.local.describe import describe
from gateway.images.inspect import MAX_PIXELS
from gateway.metadata import Metadata
from gateway.ports.object_store import Bucket, ObjectKey, read_whole
from gateway.processes import HelperProcesses
from gateway.processor.tags import write_tags

CALL_S = 60.0
MIN_PROBABILITY = 0.7


@frozen
class Parts:
    """Seconds a photo, each part alone; analysis and tagging in so many processes at once."""

    processes: int
    analysis_s: float
    tagging_s: float
    storing_s: float

    @property
    def photos_per_minute(self) -> float:
        """What the processes would do with nothing beside the parts."""
        return 60 * self.processes / (self.analysis_s + self.tagging_s + self.storing_s)


async def measured_parts(
    helpers: HelperProcesses, processes: int, photos: Sequence[bytes], folder: Path
) -> Parts:
    """`helpers` have room for the processes, which have their libraries loaded after a first time."""
    analysed = await asyncio.gather(
        *(helpers.run(analyse, photos, timeout_s=CALL_S) for _ in range(processes))
    )
    tagged = await asyncio.gather(
        *(helpers.run(tag, photos, words, timeout_s=CALL_S) for _, words in analysed)
    )
    analysis_s = statistics.mean(seconds for seconds, _ in analysed)
    return Parts(processes, analysis_s, statistics.mean(tagged), await store(photos, folder))


async def store(photos: Sequence[bytes], folder: Path) -> float:
    """What the gateway cannot do without: the original synced and read twice, the tagged one synced."""
    started = time.perf_counter()
    async with open_folder_store(ObjectStoreSettings(), folder) as objects:
        for number, photo in enumerate(photos):
            original = ObjectKey(Bucket.ORIGINAL, f"{number}.jpg")
            for key in (original, ObjectKey(Bucket.PROCESSED, f"{number}.jpg")):
                await objects.put(key, _pieces(photo), media_type="image/jpeg", max_bytes=len(photo))
            for _ in range(2):
                await read_whole(objects, original, max_bytes=len(photo))
    return (time.perf_counter() - started) / len(photos)


async def _pieces(photo: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(photo), PIECE_BYTES):
        yield photo[start : start + PIECE_BYTES]


def exiftool_s(photos: Sequence[bytes], words: Sequence[Metadata]) -> float:
    """Seconds a photo of one exiftool that writes the same words into all, files read and written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments: list[str] = []
        for number, (photo, said) in enumerate(zip(photos, words, strict=True)):
            path = folder / f"{number}.jpg"
            path.write_bytes(photo)
            arguments += [*_options(said), "-o", f"{folder}/tagged-{number}.jpg", str(path), "-execute"]
        (folder / "arguments").write_text("\n".join(arguments))
        started = time.perf_counter()
        subprocess.run(["exiftool", "-@", folder / "arguments", "-common_args", "-q"], check=True)
        seconds = time.perf_counter() - started
        if len(list(folder.glob("tagged-*.jpg"))) != len(photos):
            raise RuntimeError("exiftool did not tag all photos")
    return seconds / len(photos)


def _options(words: Metadata) -> list[str]:
    texts = {
        "EXIF:ImageDescription": words.description,
        "EXIF:XPTitle": words.title,
        "IPTC:CodedCharacterSet": "UTF8",
        "IPTC:Headline": words.title,
        "IPTC:Caption-Abstract": words.description,
        "IPTC:Writer-Editor": words.writer,
        "XMP-dc:Title": words.title,
        "XMP-dc:Description": words.description,
        "XMP-photoshop:CaptionWriter": words.writer,
    }
    keywords = [
        f"-{field}={word}" for word in words.keywords for field in ("IPTC:Keywords", "XMP-dc:Subject")
    ]
    return [*(f"-{name}={text}" for name, text in texts.items()), *keywords]


# What follows runs in the helper.


def analyse(photos: Sequence[bytes]) -> tuple[float, list[Metadata]]:
    """Seconds a photo, and the words for each."""
    started = time.perf_counter()
    words = [
        describe(photo, "photo.jpg", MAX_PIXELS, MIN_PROBABILITY, names_place=True).metadata
        for photo in photos
    ]
    return (time.perf_counter() - started) / len(photos), words


def tag(photos: Sequence[bytes], words: Sequence[Metadata]) -> float:
    started = time.perf_counter()
    for photo, said in zip(photos, words, strict=True):
        write_tags(photo, said)
    return (time.perf_counter() - started) / len(photos)


def tag_files(photos: Sequence[bytes], words: Sequence[Metadata]) -> float:
    """Seconds a photo with files read and written, as exiftool has it."""
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{number}.jpg" for number in range(len(photos))]
        for path, photo in zip(paths, photos, strict=True):
            path.write_bytes(photo)
        started = time.perf_counter()
        for path, said in zip(paths, words, strict=True):
            path.with_suffix(".tagged").write_bytes(write_tags(path.read_bytes(), said))
        return (time.perf_counter() - started) / len(photos)
