"""A folder that can't be read, also by root, whom permissions don't hold."""

import os
from pathlib import Path


def too_deep(folder: Path) -> Path:
    """A folder that nobody can list by its path, not even root, for the path is too long for the system."""
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    name, depth = "d" * 250, 17
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    return folder.joinpath(*[name] * depth)
