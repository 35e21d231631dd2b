"""One row of the table: a fault, how often it strikes in a full run and in CI, and how.

Each module of tests/chaos/faults has one as `FAULT`. Its `run` starts a world of its own in `folder`, lets the fault
strike `times` times under load, and gives back what was measured; all chance comes from `dice`.
"""

import importlib
import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from attrs import frozen

from tests.chaos.report import Measured

FOLDER = Path(__file__).parent / "faults"

Run = Callable[[int, Path, random.Random], Coroutine[None, None, Measured]]


@frozen
class Fault:
    name: str
    full: int
    """How often it strikes in a full run."""
    in_ci: int
    run: Run


def all_faults() -> Sequence[Fault]:
    """By name."""
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    return [importlib.import_module(f"tests.chaos.faults.{name}").FAULT for name in names]


def dice_of(seed: int, fault: Fault) -> random.Random:
    """Those of a run: the same seed throws the same, whatever other faults ran before."""
    return random.Random(f"{seed} {fault.name}")


def thrown_from(dice: random.Random) -> random.Random:
    """Dice of its own for one who throws beside others: whose turn it is changes nothing."""
    return random.Random(dice.getrandbits(64))


def shared_out(times: int, *, among: int, at_most: int) -> Sequence[int]:
    """Shares as even as can be, as many as a multiple of `among`, none above `at_most`; none is 0."""
    rounds = -(-times // (among * at_most)) * among
    shares = [times // rounds + (number < times % rounds) for number in range(rounds)]
    return [share for share in shares if share]
