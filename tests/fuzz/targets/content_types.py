"""The headers that say what a body is: whatever they hold, a body is read or refused in a foreseen way."""

from typing import Final

from tests.fuzz.reading import read

WORDS: Final = (
    b"application/json", b"multipart/form-data", b"image/jpeg", b"image/png", b"; boundary=", b'; boundary="',
    b"charset=utf-8", b'"', b"\\", b";", b"=", b"/", b"*=utf-8''", b"\n", b"\xff", b"--b--\r\n",
)  # fmt: skip


def check(data: bytes) -> None:
    """Its first line is the header, as the server hands it on; the rest is the body."""
    header, _, body = data.partition(b"\n")
    read(
        [body] if body else [],
        header.decode(errors="surrogateescape"),
        name=header.decode(errors="surrogateescape"),
    )
    read([body] if body else [], header.decode("latin-1"), options=[body.decode(errors="replace")])
