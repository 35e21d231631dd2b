"""JSON bodies of batches, right ones and wrong, spelt in every way that JSON has.

The dice are handed in: `random.Random(seed)` makes many documents soon, `documents()` makes ones that hypothesis
can shrink. What the standard modules make of a document is the subject of `tests.standard_reading`, how bodies are cut
that of `tests.cuts`.
"""

import base64
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from attrs import define, field
from hypothesis import strategies as st

PIECES_OF_TEXT: Final = (
    "photo1.jpg", "Über", "夜景", "😀", "a b", "/", "\\", '"', "\b\f\n\r\t", "\x00", "\x1f", "\x7f", "\u2028",
    "base64", "images", '"base64": "AAAA"', '{"images": [', "}", "]", ",", ":", "\\u0041", "\\", "\ufeff", "",
)  # fmt: skip
GOOD_URLS: Final = (
    "http://example.com/", "https://example.com/photo1.jpg?a=1&b=%20#c", "HTTPS://bücher.example/夜景.png",
    "http://[2001:db8::1]:8080/", "http://user:word@example.com/a/../b",
)  # fmt: skip
BAD_URLS: Final = (
    "", "photo.jpg", "ftp://example.com/a", "http://", "http://[::1", "http://a:99999/", "http://\x00",
)  # fmt: skip
POLICIES: Final = ("keep", "replace", "append")
BAD_POLICIES: Final = ("", "shout", "Keep")
PREFIXES: Final = (
    "data:image/jpeg;base64,", "data:;base64,", "DATA:image/png;charset=utf-8;BASE64,", "data:base64,",
    "data:image/jpeg,", "data:image/jpeg;base64", "data:,", "data:" + "x" * 1100 + ";base64,",
)  # fmt: skip
BLANKS: Final = (" ", "\n", "\t", "\r\n", "  ")
NO_VALUES: Final = (
    "NaN", "Infinity", "-", "01", "1.", "+1", "'a'", "tru", "None", "", '"\\x"', '"\\u12"', '"\n"',
)  # fmt: skip
LONE_SURROGATES: Final = ('"\\ud800"', '"\\udc00\\ud800"', '"\\uD83D"', '"\\ud83d\\u0041"')
OTHER_VALUES: Final = (
    "null", "true", "false", "0", "-1.5e3", "1e400", "123456789012345678901234567890", '""', "{}", "[]",
)  # fmt: skip
TELLING_BYTES: Final = (
    *(bytes((byte,)) for byte in b'"\\{}[]:,/u0\n \x00\x1f\x7f\x80\xc3\xed\xff='),
    b"\xef\xbb\xbf",
)


def documents() -> st.SearchStrategy[bytes]:
    """Documents that shrink."""
    return st.randoms(use_true_random=False).map(a_document)


def a_document(chance: Random) -> bytes:
    """The body of one batch; about every second one is right."""
    speller = _Speller(chance)
    text = _batch(speller)
    body = text.encode()
    return _damaged(body, chance) if chance.random() < 0.2 else body


@define
class _Speller:
    """Writes values as JSON, now so, now so."""

    chance: Random
    blanks: float = field(init=False)
    escapes: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        """A document is mostly written by one program."""
        self.blanks = self.chance.choice((0.0, 0.0, 0.1, 0.5))
        self.escapes = self.chance.choice((0.0, 0.0, 0.0, 0.02, 0.5))

    def now_and_then(self, share: float) -> bool:
        return self.chance.random() < share

    def text(self, text: str) -> str:
        if not self.escapes:
            return json.dumps(text, ensure_ascii=self.now_and_then(0.5))
        return '"' + "".join(map(self._character, text)) + '"'

    def array(self, values: Sequence[str]) -> str:
        return "[" + ",".join(map(self.padded, values or ("",))) + "]"

    def object(self, members: Sequence[tuple[str, str]]) -> str:
        """In any order; now and then one comes twice."""
        shuffled = self.chance.sample(members, len(members))
        if members and self.now_and_then(0.01):
            shuffled.append(self.chance.choice(members))
        written = [self.padded(self.text(key)) + ":" + self.padded(value) for key, value in shuffled]
        return "{" + ",".join(written or (self.padded(""),)) + "}"

    def padded(self, value: str) -> str:
        before, behind = (self.chance.choice(BLANKS) if self.now_and_then(self.blanks) else "" for _ in "ab")
        return before + value + behind

    def _character(self, character: str) -> str:
        if not self.now_and_then(self.escapes):
            return json.dumps(character, ensure_ascii=False)[1:-1]
        if character == "/" and self.now_and_then(0.5):
            return "\\/"
        digits = character.encode("utf-16-be").hex()
        digits = digits.upper() if self.now_and_then(0.5) else digits
        return "".join("\\u" + digits[at : at + 4] for at in range(0, len(digits), 4))


def _batch(speller: _Speller) -> str:
    chance = speller.chance
    if speller.now_and_then(0.02):
        return _anything(speller)
    count = chance.choice((1, 1, 2, 3, 6))
    members = [("images", speller.array([_image(speller) for _ in range(count)]))]
    if speller.now_and_then(0.3):
        members.append(("options", _options(speller)))
    members = [(key, _anything(speller) if speller.now_and_then(0.02) else value) for key, value in members]
    if speller.now_and_then(0.04):
        members.append((_name(chance), _anything(speller)))
    if speller.now_and_then(0.02):
        del members[0]
    return speller.padded(speller.object(members))


def _image(speller: _Speller) -> str:
    chance = speller.chance
    sources = [_url, _base64] if speller.now_and_then(0.02) else [chance.choice((_url, _base64, _base64))]
    members = [source(speller) for source in sources]
    if speller.now_and_then(0.5):
        members.append(("name", speller.text(_name(chance))))
    members = [(key, _anything(speller) if speller.now_and_then(0.01) else value) for key, value in members]
    if speller.now_and_then(0.1):
        members += [(key, "null") for key in ("url", "base64", "name") if key not in dict(members)]
    if speller.now_and_then(0.02):
        members.append((_name(chance), _anything(speller)))
    return _anything(speller) if speller.now_and_then(0.01) else speller.object(members)


def _url(speller: _Speller) -> tuple[str, str]:
    return "url", speller.text(speller.chance.choice(BAD_URLS if speller.now_and_then(0.03) else GOOD_URLS))


def _base64(speller: _Speller) -> tuple[str, str]:
    return "base64", speller.text(a_base64_text(speller.chance))


def a_base64_text(chance: Random) -> str:
    """With or without a data URI prefix; every third one is not quite as it should be."""
    size = chance.randrange(chance.choice((1, 5, 60, 60, 400)))
    text = base64.b64encode(chance.getrandbits(8 * size).to_bytes(size) if size else b"").decode()
    if chance.random() < 0.4:
        text = chance.choice(PREFIXES[:3] if chance.random() < 0.8 else PREFIXES) + text
    if chance.random() < 0.2:
        width = chance.choice((1, 4, 76))
        text = chance.choice(("\n", "\r\n")).join(text[at : at + width] for at in range(0, len(text), width))
    return chance.choice(_MISSPELLINGS)(text, chance) if chance.random() < 0.2 else text


_MISSPELLINGS: Final[tuple[Callable[[str, Random], str], ...]] = (
    lambda text, chance: text.rstrip("="),
    lambda text, chance: text + "=" * chance.randint(1, 4),
    lambda text, chance: text.replace("+", "-").replace("/", "_"),
    lambda text, chance: text + " ",
    lambda text, chance: text + text,
    lambda text, chance: (
        text[: len(text) // 2] + chance.choice((*"=,;*\t\0é😀", "AA==", "\u2028")) + text[len(text) // 2 :]
    ),
)


def _options(speller: _Speller) -> str:
    if speller.now_and_then(0.1):
        return speller.object([])
    fields = speller.chance.sample(
        ("title", "description", "keywords", "writer"), speller.chance.randrange(4)
    )
    policies = [(name, speller.text(_policy(speller))) for name in fields]
    return speller.object([("metadata", speller.object(policies))])


def _policy(speller: _Speller) -> str:
    return speller.chance.choice(BAD_POLICIES if speller.now_and_then(0.05) else POLICIES)


def _name(chance: Random) -> str:
    return "".join(chance.choice(PIECES_OF_TEXT) for _ in range(chance.randrange(4)))


def _anything(speller: _Speller) -> str:
    """Any value of JSON, and what is none."""
    chance = speller.chance
    kind = chance.randrange(8)
    if kind == 0:
        return chance.choice(NO_VALUES + LONE_SURROGATES)
    if kind == 1:
        depth = chance.choice((2, 20, 2000))
        return "[" * depth + "]" * depth
    if kind == 2:
        return speller.array([_anything(speller) for _ in range(chance.randrange(3))])
    if kind == 3:
        return speller.object([(_name(chance), _anything(speller)) for _ in range(chance.randrange(3))])
    if kind == 4:
        return speller.object([("base64", speller.text(a_base64_text(chance)))])
    if kind == 5:
        return speller.text(_name(chance))
    return chance.choice(OTHER_VALUES)


def _damaged(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    telling = chance.choice(TELLING_BYTES)
    match chance.randrange(6):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + body[at + 1 :]
        case 2:
            return body[:at] + telling + body[at:]
        case 3:
            return body[:at] + telling + body[at + 1 :]
        case 4:
            return body[:at] + body[at // 2 :]
        case _:
            return body + telling
