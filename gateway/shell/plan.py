"""Which photos are sent, under which names, in which batches. `batches` is pure; `find_photos` looks at folders."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
MAX_IMAGES = 100
MAX_BATCH_BYTES = 256 * 1024 * 1024
"""A quarter of what a gateway takes in one body by default: an upload that breaks off is lost as a whole, and work
on it begins when all of it is in."""


@frozen
class Photo:
    """A file to send. `name` is its path below the folder that was asked for: shown, and kept in the output."""

    path: Path
    name: Path
    size: int


def find_photos(paths: Iterable[Path], *, leave_out: Path | None = None) -> list[Photo]:
    """Files as they are, folders with all JPEG and PNG files below them, sorted; none twice.

    Hidden files and folders are passed over, and so is `leave_out`, the folder of results. Raises OSError for a
    path that is not there or a folder that can't be read.
    """
    found: dict[Path, Photo] = {}
    for path in paths:
        members = _below(path, leave_out) if path.is_dir() else [(path, Path(path.name))]
        for file, name in members:
            found.setdefault(file.resolve(), Photo(file, name, file.stat().st_size))
    return list(found.values())


def batches(photos: Sequence[Photo], max_images: int, max_bytes: int = MAX_BATCH_BYTES) -> list[list[Photo]]:
    """The photos in order, as few batches as the bounds allow; one that is too large goes alone."""
    planned: list[list[Photo]] = []
    room = -1
    for photo in photos:
        if not planned or len(planned[-1]) == max_images or photo.size > room:
            planned.append([])
            room = max_bytes
        planned[-1].append(photo)
        room -= photo.size
    return planned


def _below(folder: Path, leave_out: Path | None) -> Iterator[tuple[Path, Path]]:
    hidden = leave_out.resolve() if leave_out else None
    for where, folders, files in os.walk(folder, onerror=_raise):
        here = Path(where)
        folders[:] = sorted(name for name in folders if _is_shown(name) and (here / name).resolve() != hidden)
        for name in sorted(files):
            file = here / name
            if _is_shown(name) and file.suffix.lower() in SUFFIXES and file.is_file():
                yield file, file.relative_to(folder)


def _is_shown(name: str) -> bool:
    return not name.startswith(".")


def _raise(error: OSError) -> None:
    raise error
