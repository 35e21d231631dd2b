"""How this program is called in the shell that it was started from."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "gateway"


def own_command() -> str:
    """What stands before `serve` or `submit` in a line that works as it is, from the present folder.

    `gateway` where the shell finds this one by that name, else its path, `.venv/bin/gateway` for one.
    """
    beside = Path(sys.executable).parent / NAME
    found = shutil.which(NAME)
    if not beside.exists():
        return NAME if found else f"{shlex.quote(_seen_from_here(Path(sys.executable)))} -m {NAME}"
    if found and Path(found).samefile(beside):
        return NAME
    return shlex.quote(_seen_from_here(beside))


def _seen_from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
