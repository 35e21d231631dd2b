"""`python -m tests.chaos [--only NAME] [--times N] [--seed S]`: break things, prints a table, writes build/chaos.json.

What the parts wrote meanwhile lies in build/chaos. Ends non-zero when any invariant was violated; a violation that has
no column in the table keeps its portion of the run out of it.
"""

import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import click
from rich.console import Console

from tests.chaos.fault import Fault, all_faults, dice_of, shared_out
from tests.chaos.report import RESULT, Measured, added, commit_id, read_rows, table_of, write_rows

FAULTS = {fault.name: fault for fault in all_faults()}
LOGS = RESULT.parent / "chaos"
PORTION = 20
"""What one portion of a run has at least; each is written when it is over, so that a run that is broken off counts."""


def portions_of(fault: Fault, times: int) -> Sequence[int]:
    return shared_out(times, among=1, at_most=max(PORTION, fault.full // 4))


def struck(fault: Fault, times: int, dice: random.Random, log: Path) -> Measured:
    """Run it, with all that its parts say in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f"chaos-{fault.name}-") as folder,
        log.open("w") as output,
        redirect_stdout(output),
    ):
        return asyncio.run(fault.run(times, Path(folder), dice))


def told(fault: Fault, measured: Measured, commit: str) -> None:
    """Say what was violated, and write the row."""
    for violation in measured.violations:
        click.echo(f"{fault.name}: {violation}", err=True)
    if measured.is_countable:
        write_rows(added(read_rows(), fault.name, measured, commit))


@click.command()
@click.option("--only", type=click.Choice(list(FAULTS)), help="Let this fault strike alone.")
@click.option("--times", type=click.IntRange(min=1), help="So often, not as often as in a full run.")
@click.option("--seed", type=int, help="Throw the dice of that run again.")
def main(only: str | None, times: int | None, seed: int | None) -> None:
    """Break things under load, and see that nothing accepted is lost."""
    seed = random.randrange(2**32) if seed is None else seed
    commit = commit_id()
    is_well = True
    for fault in [FAULTS[only]] if only else FAULTS.values():
        click.echo(f"{fault.name}: seed {seed}", err=True)
        dice = dice_of(seed, fault)
        for number, portion in enumerate(portions_of(fault, times or fault.full)):
            measured = struck(fault, portion, dice, LOGS / f"{fault.name}-{seed}-{number}.log")
            told(fault, measured, commit)
            is_well = is_well and not measured.violations
    Console(width=None if sys.stdout.isatty() else 120).print(table_of(read_rows()))
    if not is_well:
        sys.exit(1)


if __name__ == "__main__":
    main()
