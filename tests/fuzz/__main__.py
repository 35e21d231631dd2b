"""`python -m tests.fuzz run | documents | keep`: look for bodies, images and URLs that break a promise.

What a run writes lies in `build/fuzz/`: the logs, what reached something new (`corpus/`), and what broke (`finds/`).
"""

import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from tests.fuzz.target import HERE, NAMES, Target, load
from tests.fuzz.targets import json_bodies
from tests.json_documents import a_document

BUILD: Final = HERE.parent.parent / "build" / "fuzz"
MAX_BYTES: Final = 8192
LIMITS: Final = (f"-max_len={MAX_BYTES}", "-timeout=10", "-rss_limit_mb=1024")
"""What takes ten seconds, or a gigabyte, is a find as well."""
MAX_KEPT_BYTES: Final = 4096


@click.group()
def main() -> None:
    """Look for what breaks a promise of the intake, of the inspection of images, or of the guard of downloads."""


@main.command()
@click.option("--target", "names", type=click.Choice(NAMES), multiple=True, help="These alone, not all.")
@click.option("--seconds", type=click.IntRange(min=1), default=600, help="All targets together.")
@click.option("--seed", type=click.IntRange(1, 2**32 - 1), help="Throw the dice of that run again.")
def run(names: Sequence[str], seconds: int, seed: int | None) -> None:
    """Fuzz, led by what each input reaches. Ends non-zero when something was found."""
    seed = random.randrange(1, 2**32) if seed is None else seed
    targets = [load(name) for name in names or NAMES]
    table = Table("target", "inputs", "kept and new", "reached", "found", title=f"seed {seed}")
    is_well = True
    for target in targets:
        ended = fuzzed(target, max(1, seconds // len(targets)), seed)
        table.add_row(target.name, *figures(log_of(target)), "" if ended == 0 else "yes")
        is_well = is_well and ended == 0
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if not is_well:
        sys.exit(1)


@main.command()
@click.option("--count", type=click.IntRange(min=1), default=100_000)
@click.option("--seed", type=int, default=0)
def documents(count: int, seed: int) -> None:
    """Read generated JSON bodies, cut at random, and compare with Python's own `json`."""
    began = time.monotonic()
    for number in range(count):
        document = a_document(random.Random(f"{seed} {number}"))
        try:
            json_bodies.check(document)
        except BaseException:
            click.echo(f"document {number} of seed {seed}: {document!r}", err=True)
            raise
    click.echo(f"{count} documents of seed {seed} in {time.monotonic() - began:.0f} s: all as expected")


@main.command()
@click.option(
    "--target", "names", type=click.Choice(NAMES), multiple=True, help="Of these alone, not of all."
)
def keep(names: Sequence[str]) -> None:
    """Take what reached something new into the corpus, and leave out what others reach as well.

    Files that a person has named stay.
    """
    for target in map(load, names or NAMES):
        merge(target)
        sizes = [len(data) for data in target.kept().values()]
        click.echo(f"{target.name}: {len(sizes)} files, {sum(sizes)} bytes")


def merge(target: Target) -> None:
    """Put the smallest files that reach all that any reached into the corpus, beside those that a person has named."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        merged = Path(folder)
        for path in target.corpus.iterdir():
            if not is_numbered(path):
                shutil.copy(path, merged)
        folders = (merged, target.corpus, new_of(target))
        subprocess.run(guided(target, "-merge=1", *LIMITS, *folders), check=True, capture_output=True)
        for path in filter(is_numbered, target.corpus.iterdir()):
            path.unlink()
        for path in filter(is_numbered, merged.iterdir()):
            if path.stat().st_size <= MAX_KEPT_BYTES:
                shutil.copy(path, target.corpus)


def fuzzed(target: Target, seconds: int, seed: int) -> int:
    """The code with which it ended."""
    finds = BUILD / "finds"
    finds.mkdir(parents=True, exist_ok=True)
    click.echo(f"{target.name}: {seconds} s ...", err=True)
    with log_of(target).open("w") as log:
        ended = subprocess.run(
            guided(
                target, f"-max_total_time={seconds}", f"-seed={seed}", f"-dict={dictionary_of(target)}", *LIMITS,
                f"-artifact_prefix={finds}/{target.name}-", new_of(target), target.corpus,
            ),
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if ended.returncode:
        click.echo(log_of(target).read_text(errors="replace")[-3000:], err=True)
    return ended.returncode


def guided(target: Target, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz.guided", target.name, *map(str, arguments)]


def new_of(target: Target) -> Path:
    folder = BUILD / "corpus" / target.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def log_of(target: Target) -> Path:
    return BUILD / f"{target.name}.log"


def dictionary_of(target: Target) -> Path:
    """Its words, as libFuzzer reads them."""
    path = BUILD / f"{target.name}.dict"
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
    path.write_text("".join(f'"{word}"\n' for word in quoted))
    return path


def figures(log: Path) -> tuple[str, str, str]:
    """Inputs that were tried, files of the corpus, edges that were reached, by the last line that tells them."""
    told = re.findall(r"^#(\d+)\s.*cov: (\d+) .*corp: (\d+)/", log.read_text(errors="replace"), re.MULTILINE)
    inputs, reached, files = told[-1] if told else ("", "", "")
    return inputs, files, reached


def is_numbered(path: Path) -> bool:
    """Whether libFuzzer has named it: by its checksum."""
    return re.fullmatch(r"[0-9a-f]{40}", path.name) is not None


if __name__ == "__main__":
    main()
