"""A JSON body, cut anywhere: read as Python's own `json` and `base64` read it, or refused where these find it wrong."""

from typing import Final

from attrs import asdict

from gateway.domain.options import BatchOptions
from tests.cuts import cut_the_same
from tests.fuzz.reading import Read, Refused, read
from tests.standard_reading import Batch, Wrong, read_document

WORDS: Final = (
    b'"images"', b'"options"', b'"url"', b'"base64"', b'"name"', b'"metadata"', b'"title"', b'"keep"',
    b'{"images":[{', b"data:image/png;base64,", b"http://a/", b"null", b"true", b"1e9", b'\\"', b"\\\\",
    b"\\u0061", b"\\ud83d\\ude00", b"\\/", b"}]}", b"},{", b'":"', b'","', b"AAAA", b"AA==", b"\\n",
    b"\\ud800", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80",
)  # fmt: skip


def check(data: bytes) -> None:
    whole = read([data] if data else [], "application/json")
    assert read(cut_the_same(data), "application/json") == whole
    try:
        expected = read_document(data)
    except Wrong:
        assert isinstance(whole, Refused), "what is no batch is taken for one"
    else:
        assert isinstance(whole, Read), f"a right batch is refused: {whole}"
        compare(whole, expected)


def compare(read: Read, expected: Batch) -> None:
    outline = [(image.name, image.url) for image in read.outline.images]
    assert outline == [(image.name, image.url) for image in expected.images]
    sent = {index: image.content for index, image in enumerate(expected.images) if image.url is None}
    assert read.whole == sent
    assert said_in(read.outline.options) == expected.options


def said_in(options: BatchOptions | None) -> dict[str, str] | None:
    """The policies that options name."""
    if options is None:
        return None
    policy = options.metadata
    return {} if policy is None else {name: said for name, said in asdict(policy).items() if said is not None}
