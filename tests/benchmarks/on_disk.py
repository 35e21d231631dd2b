"""A folder to work in that lies on a disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """Beside the sources and not in the system's temporary folder, which may be memory, where a sync costs nothing."""
    build = Path(__file__).parents[2] / "build"
    build.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=build) as folder:
        yield Path(folder)
