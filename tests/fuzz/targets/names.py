"""Names as strangers give them, and URLs that are to give one: what comes of them is safe as one part of a key."""

import unicodedata
from typing import Final

from gateway.images.names import MAX_NAME_BYTES, name_from_url, safe_name
from gateway.images.signatures import ImageType

WORDS: Final = (
    b"/", b"\\", b".", b"..", b"../", b".jpg", b".JPEG", b".png", b".gif", b" ", b"\0", b"\n", b"%2f", b"%00",
    b"?", b"#",
    *(text.encode() for text in ("\u202e", "\u2028", "\u3000", "e\u0301", "\u212b", "\u0344", "夜", "😀")),
)  # fmt: skip
ENDINGS: Final = {ImageType.JPEG: (".jpg", ".jpeg"), ImageType.PNG: (".png",)}


def check(data: bytes) -> None:
    """As a text of JSON holds it, and as a header."""
    for text in {data.decode(errors="replace"), data.decode(errors="surrogateescape")}:
        for name in (text, name_from_url(text, 0), name_from_url(f"http://a/{text}", 0)):
            for kind in ImageType:
                check_safe(safe_name(name, kind), kind)


def check_safe(name: str, kind: ImageType) -> None:
    assert name.endswith(ENDINGS[kind])
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert not set(name) & set("/\\")
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cs", "Zl", "Zp"}
    assert name[0] != "."
    assert name == name.strip() == unicodedata.normalize("NFC", name) == safe_name(name, kind)
