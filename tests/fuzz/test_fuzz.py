"""Fuzzing, its short form: what was ever found worth keeping, through every target, and changes of it.

The long form is `make fuzz`; see README.md.
"""

import random

import pytest

from tests.documents import first_words
from tests.fuzz.mutated import mutations
from tests.fuzz.target import HERE, NAMES, Target, load
from tests.fuzz.targets import json_bodies
from tests.json_documents import a_document


def test_the_readme_says_what_each_target_holds():
    assert first_words((HERE / "README.md").read_text()) == set(NAMES)


@pytest.fixture(params=NAMES)
def target(request) -> Target:
    return load(request.param)


def hold(target: Target, data: bytes) -> None:
    try:
        target.check(data)
    except BaseException as error:
        error.add_note(f"{target.name} was given {data!r}")
        raise


def test_each_target_holds_for_whatever_was_kept_for_any(target: Target):
    for name in NAMES:
        for data in load(name).kept().values():
            hold(target, data)


def test_each_target_holds_for_what_changes_make_of_it(target: Target):
    for data in mutations(list(target.kept().values()), target.words, seed=1, count=1_000):
        hold(target, data)


def test_generated_documents_are_read_as_the_standard_modules_read_them():
    for number in range(2_000):
        document = a_document(random.Random(number))
        try:
            json_bodies.check(document)
        except BaseException as error:
            error.add_note(f"document {number}: {document!r}")
            raise
