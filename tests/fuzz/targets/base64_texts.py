"""A text in base64 or a data URI, spelt in JSON and cut anywhere: the bytes that Python's own `base64` finds, or a
broken image; never a broken batch."""

import json
from typing import Final

from tests.cuts import cut_the_same
from tests.fuzz.reading import Read, read
from tests.standard_reading import read_base64

WORDS: Final = (
    b"data:", b"DATA:", b";base64,", b";BASE64,", b"data:image/jpeg;base64,", b"data:;base64,",
    b";charset=utf-8", b",", b"\r\n", b"\n", b"=", b"==", b"AA==", b"AAA=", b"AAAA", b"+/", b"-_",
    b"\xc3\xa9", b"\xf0\x9f\x98\x80", b'"', b"\\",
)  # fmt: skip


def check(data: bytes) -> None:
    text = data.decode(errors="replace")
    for ensure_ascii in (True, False):
        body = json.dumps({"images": [{"base64": text}]}, ensure_ascii=ensure_ascii).encode()
        batch = read([body], "application/json")
        assert isinstance(batch, Read), f"a right batch is refused: {batch}"
        assert batch.whole == {0: read_base64(text)}
        assert read(cut_the_same(body), "application/json") == batch
