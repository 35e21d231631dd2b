"""How a client wants to be answered: the headers Accept (RFC 9110, 12.5.1) and Prefer (RFC 7240).

Pure. Both are wishes: what is not understood of them is passed over, and never refused.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

LONGEST_WAIT_S: Final = 60
"""That a request is held back for; whoever wants longer waits for so long."""

_PART: Final = re.compile(r'(?:[^,;"]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))+|[,;]', re.DOTALL)
"""Of a list whose members have parameters; a comma or semicolon in quotes is none. Quotes that are not closed go to
the end, so that nothing is read twice."""
_Q: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]+", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)")
_JSON: Final = ("application/json", "application/*", "*/*")


def prefers(media_type: str, accept: Iterable[str]) -> bool:
    """Whether a type beside JSON is to be the answer's: it is asked for by its name, and JSON not rather.

    Where both are named alike, JSON it is, as for all who name neither.
    """
    qualities = _qualities(accept)
    quality = qualities.get(media_type, 0.0)
    named = qualities.get(_JSON[0])
    if named is not None:
        return quality > named
    return quality > 0 and quality >= next((qualities[name] for name in _JSON if name in qualities), 0.0)


def wait_s(prefer: Iterable[str]) -> int | None:
    """The seconds that a client would rather wait than be told to come again; None where it did not say."""
    preferences = (_named(preference) for preference, _ in _members(prefer))
    # Of one that is given several times the first counts (section 2).
    wait = next((value for name, value in preferences if name == "wait"), "")
    if not _SECONDS.fullmatch(wait):
        return None
    # Three digits tell that it is too long; of some thousands Python makes no number.
    return min(int(wait.lstrip("0")[:3] or "0"), LONGEST_WAIT_S) or None


def _qualities(accept: Iterable[str]) -> dict[str, float]:
    qualities: dict[str, float] = {}
    for name, parameters in _members(accept):
        words = dict(_named(parameter) for parameter in parameters)
        q = words.get("q", "1")
        qualities[name.lower()] = float(q) if _Q.fullmatch(q) else 0.0
    return qualities


def _named(parameter: str) -> tuple[str, str]:
    name, _, value = parameter.partition("=")
    return name.strip().lower(), _unquoted(value.strip())


def _members(values: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each member of a list, that may stand in several headers, with its parameters."""
    member = [""]
    for part in (*_PART.findall(",".join(values)), ","):
        if part == ";":
            member.append("")
        elif part != ",":
            member[-1] += part
        else:
            name, *parameters = (word.strip() for word in member)
            if name:
                yield name, parameters
            member = [""]


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _ESCAPED.sub(r"\1", value[1:-1])
    return value
