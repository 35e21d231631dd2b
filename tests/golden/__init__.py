"""Real messages of the running services, as README.md beside this file describes them."""

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


def golden(name: str) -> list[dict[str, Any]]:
    """The messages of `<name>.json`, also when it holds one alone."""
    content = json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
    return content if isinstance(content, list) else [content]


def golden_names(pattern: str) -> list[str]:
    """The names that `golden` takes, of the files that match."""
    return sorted(path.stem for path in _HERE.glob(f"{pattern}.json"))
