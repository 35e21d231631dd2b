"""The files that lie below a folder, at whatever depth, though others write and remove there meanwhile.

`Path.rglob` raises FileNotFoundError where a folder is removed while it is being listed.
"""

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """In the order of their paths as text; none where there is no such folder."""
    return sorted((Path(parent, name) for parent, _, names in os.walk(folder) for name in names), key=str)
