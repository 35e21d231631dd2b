"""Options as JSON: what Python's own `json` reads, or BadInput where it finds them wrong."""

from typing import Final

from gateway.errors import BadInput
from gateway.intake.options import parse_options
from tests.fuzz.targets.json_bodies import said_in
from tests.standard_reading import Wrong, read_options

WORDS: Final = (
    b'{"metadata":{', b'"metadata"', b'"title"', b'"description"', b'"keywords"', b'"keep"', b'"replace"',
    b'"append"', b"{}", b"}}", b'":"', b'","', b"null", b"\\u0061", b'\\"', b"\\ud800", b"[", b"NaN",
    b"1e400", b"\xef\xbb\xbf",
)  # fmt: skip


def check(data: bytes) -> None:
    try:
        options = parse_options(data, "part options")
    except BadInput:
        options = None
    try:
        expected = read_options(data)
    except Wrong:
        expected = None
    assert said_in(options) == expected
