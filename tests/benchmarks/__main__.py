"""`python -m tests.benchmarks [--only NAME]`: runs each bench_*.py, prints a table, writes build/bench.json.

A benchmark is a module with `run()`, plain or async, that returns its rows. Exits non-zero when a goal is
missed or a benchmark could not run.
"""

import importlib
import inspect
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.table import Table

from tests.benchmarks.row import Row

HERE = Path(__file__).parent
RESULT = HERE.parents[1] / "build" / "bench.json"


def names() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def rows_of(name: str) -> list[Row]:
    found = importlib.import_module(f"tests.benchmarks.bench_{name}").run()
    return list(uvloop.run(found)) if inspect.iscoroutine(found) else list(found)


def table_of(rows: Sequence[Row]) -> Table:
    table = Table("name", "value", "unit", "reference", "ratio", "goal", "holds", "compared with")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.value:,.4g}",
            row.unit,
            "" if row.reference is None else f"{row.reference:,.4g}",
            "" if row.ratio is None else f"{row.ratio:.2f}x",
            row.goal_text,
            "yes" if row.holds else "[bold red]NO[/]",
            row.compared_with,
        )
    return table


def write(rows: Sequence[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")


@click.command()
@click.option("--only", "only", metavar="NAME", help="Run this one alone.")
def main(only: str | None) -> None:
    """Measure the service against its goals."""
    if only is not None and only not in names():
        raise click.BadParameter(f"there is {', '.join(names()) or 'none'}", param_hint="--only")
    rows: list[Row] = []
    all_ran = True
    for name in [only] if only else names():
        started = time.monotonic()
        try:
            rows += rows_of(name)
        except click.ClickException as error:  # it says what it lacks; the others' figures are not lost
            error.show()
            all_ran = False
        click.echo(f"{name}: {time.monotonic() - started:.1f} s", err=True)
    Console(width=None if sys.stdout.isatty() else 160).print(table_of(rows))
    write(rows, RESULT)
    if not (rows and all_ran and all(row.holds for row in rows)):
        sys.exit(1)


if __name__ == "__main__":
    main()
