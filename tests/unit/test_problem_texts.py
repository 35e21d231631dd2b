"""What the gateway answers about an error reads as a sentence, wherever the error is raised."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.api import problems
from gateway.errors import ContentError

GATEWAY = Path(problems.__file__).parent.parent
OF_CLIENT = GATEWAY / "client"
OF_IMAGES = {ContentError.__name__}
"""These fail an image, whose `error` is no sentence."""
OF_OPERATORS = {"SettingsError", "UnusableJobStore"}
"""These stop the start."""
TREES = {
    path: ast.parse(path.read_text())
    for path in sorted(GATEWAY.rglob("*.py"))
    if OF_CLIENT not in path.parents
}


def kinds_for_clients() -> set[str]:
    """Every kind that the API answers, and the kinds below them, by name."""
    classes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: set[str] = set()
    more = {kind.__name__ for kind in problems.STATUS_OF_KIND} - OF_IMAGES
    while more:
        found |= more
        below = {kind.name for kind in classes if found & {getattr(base, "id", "") for base in kind.bases}}
        more = below - found - OF_OPERATORS
    return found


def texts() -> Iterator[tuple[str, str]]:
    """Where a text stands in the source, and the text, with `{}` for what is filled in."""
    kinds = kinds_for_clients()
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds and node.args:
                text = _text(node.args[0])
                if text is not None:
                    yield f"{path.relative_to(GATEWAY)}:{node.lineno}", text


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


@pytest.mark.parametrize(("place", "text"), list(texts()), ids=lambda value: value[:60])
def test_a_text_for_clients_is_a_sentence(place: str, text: str) -> None:
    if text.startswith("{}: {}"):
        return  # a JSON pointer and what is wrong there
    assert text[0].isupper() or text.startswith("{} of {}"), place
    assert text.endswith("."), place
