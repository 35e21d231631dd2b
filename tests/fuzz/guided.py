"""`python -m tests.fuzz.guided TARGET [FLAG | FOLDER]...`: one target in a process of its own, led by what it reaches.

The flags are libFuzzer's. It ends the process itself, with another code than 0 when something was found.
"""

import shlex
import sys

import atheris

from tests.fuzz.target import load

REACHED = ["gateway", "multipart"]
"""Whose branches lead it."""


def main() -> None:
    _, name, *arguments = sys.argv
    with atheris.instrument_imports(include=REACHED):
        target = load(name)
    # Where it merges, libFuzzer starts itself anew, by a shell.
    itself = f"{shlex.quote(sys.executable)} -m tests.fuzz.guided {name}"
    atheris.Setup([itself, *arguments], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
