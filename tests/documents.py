"""The documents as readers get them: their examples with the answers that are shown, their tables and links."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
API = ROOT / "docs" / "BATCH_API.md"
CLIENTS = [ROOT / "docs" / "guides" / f"{language}-client.md" for language in ("javascript", "python")]

RUN = ("bash", "javascript", "python")
"""Languages of examples; commands that set something up are `sh` and run elsewhere."""
SHOWN = ("json", "http")
"""Languages of answers, which stand below the example that they answer."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@frozen
class Fence:
    language: str
    text: str
    line: int


@frozen
class Example:
    """A piece of code, and the answer that is shown below it."""

    document: Path
    code: Fence
    shown: Fence | None

    def __str__(self) -> str:
        return f"{self.document.name}:{self.code.line} {self.code.language}"


def documents() -> list[Path]:
    """All that are written for people, but for those that tests bring along."""
    found = (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("tests/benchmarks/*.md"),
        *ROOT.glob("tests/fuzz/*.md"),
    )
    return sorted(found)


def fences(document: Path) -> list[Fence]:
    text = document.read_text()
    return [
        Fence(match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in _FENCE.finditer(text)
    ]


def examples(document: Path) -> list[Example]:
    """Those that are to be run, in order."""
    following = pairwise((*fences(document), None))
    return [
        Example(document, code, after if after and after.language in SHOWN else None)
        for code, after in following
        if code is not None and code.language in RUN
    ]


def section(document: Path, heading: str) -> str:
    """The text below a heading, down to the next one of whatever depth."""
    text = document.read_text()
    begin = next(match for match in _HEADING.finditer(text) if match[1] == heading)
    end = _HEADING.search(text, begin.end())
    return text[begin.end() : end.start() if end else None]


def tables(text: str) -> Iterator[Sequence[str]]:
    """Rows of all tables in the text, without their heads."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    rules = {at for at, row in enumerate(rows) if set("".join(row)) <= set("-|")}
    return (row for at, row in enumerate(rows) if not {at, at + 1} & rules)


def words(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def first_words(text: str) -> set[str]:
    """What stands in backticks in the first column of the tables."""
    return {word for row in tables(text) for word in words(row[0])}


def links(document: Path) -> list[str]:
    return _LINK.findall(_FENCE.sub("", document.read_text()))


def anchors(document: Path) -> set[str]:
    """How the headings of a document are linked to."""
    headings = _HEADING.findall(_FENCE.sub("", document.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
