"""What the gateway answers about an error reads as a sentence, wherever the error is raised."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.api import problems
from gateway.errors import ContentError, GatewayError

GATEWAY = Path(problems.__file__).parent.parent
OF_CLIENT = GATEWAY / "client"
OF_IMAGES = {ContentError.__name__}
"""These fail an image, whose `error` is no sentence."""


def kinds_for_clients() -> set[str]:
    """Every kind that the API answers, and the kinds below them."""
    found, open_kinds = set(), list(problems.STATUS_OF_KIND)
    while open_kinds:
        kind: type[GatewayError] = open_kinds.pop()
        found.add(kind.__name__)
        open_kinds += kind.__subclasses__()
    return found - OF_IMAGES - {"SettingsError", "UnusableJobStore"}


def texts() -> Iterator[tuple[str, str]]:
    """Where a text stands in the source, and the text, with `{}` for what is filled in."""
    kinds = kinds_for_clients()
    for path in sorted(GATEWAY.rglob("*.py")):
        if OF_CLIENT in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
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
