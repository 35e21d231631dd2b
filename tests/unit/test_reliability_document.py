"""What docs/reliability.md points at is there: modules, tests that cause the hard cases, faults that were measured."""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.fault import all_faults
from tests.documents import ROOT, section, tables, words

RELIABILITY = ROOT / "docs" / "reliability.md"


def names_in(path: Path) -> set[str]:
    """Tests of the file, and what it calls a state machine's."""
    tree = ast.parse(path.read_text())
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assigned = {
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return {name for name in tests | assigned if name.lower().startswith("test")}


CASES = list(tables(section(RELIABILITY, "Hard cases")))


@pytest.mark.parametrize("row", CASES, ids=lambda row: row[0][:40])
def test_a_hard_case_names_modules_that_decide_it(row: Sequence[str]) -> None:
    modules = words(row[2])
    assert modules
    assert [module for module in modules if not (ROOT / module).is_file()] == []


@pytest.mark.parametrize("row", CASES, ids=lambda row: row[0][:40])
def test_a_hard_case_names_tests_that_cause_it(row: Sequence[str]) -> None:
    named = [test.partition("::") for test in words(row[3])]
    assert named
    assert [name for file, _, name in named if name not in names_in(ROOT / file)] == []


def test_what_was_measured_are_faults_of_the_harness_that_lost_nothing() -> None:
    measured = list(tables(section(RELIABILITY, "Measured")))
    faults = {fault.name for fault in all_faults()}
    assert {words(row[0])[0] for row in measured} <= faults
    assert [row for row in measured if row[3:6] != ["0", "0", "0"]] == []
