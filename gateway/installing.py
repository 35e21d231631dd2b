"""How an extra of this program comes to the Python that runs it. Imports and installs nothing."""

import shlex
import sys


def how_to_install(extra: str) -> str:
    """Told to operators. From the source folder, for under the name of our package an index may have another's."""
    return f"in the gateway's source folder: {shlex.quote(sys.executable)} -m pip install '.[{extra}]'"
