"""What is fuzzed: a module of `targets/` each, with `check(data)`, which raises when a promise is broken, and `WORDS`,
which lead deeper than single bytes do. What was found worth keeping lies in `corpus/`, a folder a target."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from attrs import frozen

HERE: Final = Path(__file__).parent
NAMES: Final = tuple(sorted(path.stem for path in HERE.glob("targets/*.py")))


@frozen
class Target:
    name: str
    check: Callable[[bytes], None]
    words: Sequence[bytes]

    @property
    def corpus(self) -> Path:
        return HERE / "corpus" / self.name

    def kept(self) -> Mapping[str, bytes]:
        """Its corpus, by the names of the files."""
        return {path.name: path.read_bytes() for path in sorted(self.corpus.iterdir())}


def load(name: str) -> Target:
    module = import_module(f"tests.fuzz.targets.{name}")
    return Target(name, module.check, module.WORDS)
