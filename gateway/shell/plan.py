"""Which photos are sent, under which names, in which batches. `batches` is pure; `find_photos` looks at folders."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import define, field, frozen

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


@frozen
class Failure:
    """A photo that did not get through, or a folder that could not be looked at, and why."""

    name: Path
    why: str


@frozen
class Found:
    """What lies at the paths that were asked for. `passed_over` are lines for people."""

    photos: Sequence[Photo] = ()
    failures: Sequence[Failure] = ()
    passed_over: Sequence[str] = ()

    @property
    def total(self) -> int:
        """All that is to be accounted for."""
        return len(self.photos) + len(self.failures)


def find_photos(paths: Iterable[Path], *, leave_out: Path | None = None) -> Found:
    """Files as they are, folders with all JPEG and PNG files below them, sorted; none twice.

    Hidden files and folders are passed over, and so is `leave_out`, the folder of results. What can't be read fails
    alone. Of a file and a link to it the file is sent, of several links to one file the first.
    """
    search = _Search(leave_out.resolve() if leave_out else None)
    for path in paths:
        if path.is_dir():
            search.walk(path)
        else:
            search.look_at(path, Path(path.name))
    return search.found()


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


@define
class _Search:
    """One look around. Photos are known by their files' real paths."""

    _leave_out: Path | None
    _by_file: dict[Path, list[Photo]] = field(factory=dict)
    _failures: dict[Path, Failure] = field(factory=dict)
    _links: dict[Path, str] = field(factory=dict)
    _others: dict[Path, str] = field(factory=dict)

    def walk(self, folder: Path) -> None:
        def fail(error: OSError) -> None:
            self._fail(Path(error.filename), _below(folder, Path(error.filename)), error)

        for where, folders, files in os.walk(folder, onerror=fail):
            here = Path(where)
            folders[:] = sorted(name for name in folders if self._is_entered(here / name, folder))
            for name in sorted(filter(_is_shown, files)):
                if Path(name).suffix.lower() in SUFFIXES:
                    self.look_at(here / name, _below(folder, here / name))
                else:
                    self._others[here / name] = Path(name).suffix.lower()

    def look_at(self, file: Path, name: Path) -> None:
        try:
            status = file.stat()
        except OSError as error:
            if _is_link(file):
                self._links[file] = f"{name} is a link that leads nowhere"
            else:
                self._fail(file, name, error)
            return
        if stat.S_ISREG(status.st_mode):
            self._by_file.setdefault(file.resolve(), []).append(Photo(file, name, status.st_size))
        else:
            self._others[file] = file.suffix.lower()

    def found(self) -> Found:
        photos = []
        for same in self._by_file.values():
            photo = next((each for each in same if not _is_link(each.path)), same[0])
            photos.append(photo)
            for other in same:
                if _is_link(other.path) and other.path != photo.path:
                    self._links[other.path] = f"{other.name} is a link to {photo.name}, which is sent"
        lines = [f"{line}: passed over" for line in self._links.values()]
        return Found(photos, list(self._failures.values()), lines + _counted(self._others.values()))

    def _is_entered(self, folder: Path, root: Path) -> bool:
        if not _is_shown(folder.name) or folder.resolve() == self._leave_out:
            return False
        if _is_link(folder):
            self._links[folder] = f"{_below(root, folder)} is a link to a folder"
            return False
        return True

    def _fail(self, path: Path, name: Path, error: OSError) -> None:
        self._failures[path] = Failure(name, f"can't be read: {error.strerror}")


def _counted(suffixes: Iterable[str]) -> list[str]:
    kinds = Counter(suffixes).most_common()
    if not kinds:
        return []
    total = sum(number for _, number in kinds)
    each = ", ".join(f"{number} {suffix or 'without an ending'}" for suffix, number in kinds)
    return [f"{total} other {'file' if total == 1 else 'files'} passed over ({each})"]


def _below(folder: Path, path: Path) -> Path:
    """As it is shown; the folder itself by its own name."""
    return path.relative_to(folder) if path != folder else Path(folder.name)


def _is_link(path: Path) -> bool:
    """No, if it can't be told: then what it is can't be told either, and that is the failure to report."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _is_shown(name: str) -> bool:
    return not name.startswith(".")
