"""A multipart body, cut anywhere: it is refused, or its images are the parts between its delimiters, found by a plain
search of the whole; the verdict does not depend on the cuts. An image that is sent rightly comes out as it went in."""

from collections.abc import Iterator
from typing import Final

from tests.cuts import cut_the_same
from tests.fuzz.reading import Read, read
from tests.fuzz.targets.json_bodies import said_in
from tests.standard_reading import read_options

WORDS: Final = (
    b"--b\r\n", b"\r\n--b\r\n", b"\r\n--b--", b"--b", b"--b--\r\n", b"\r\n\r\n", b"\r\n", b"\n", b"\r", b" ",
    b"\t", b"Content-Disposition: form-data; ", b'name="images"; ', b'filename="a.jpg"', b"filename=",
    b'name="options"', b'name="name"', b"filename*=utf-8''%41", b"filename*=iso-8859-1''%ff",
    b"Content-Type: image/jpeg", b"Content-Length: 1", b"Content-Transfer-Encoding: base64", b'\\"', b"%22",
    b"\xff", b'{"metadata":{}}',
)  # fmt: skip
CONTENT_TYPE: Final = "multipart/form-data; boundary=b"
_DELIMITER: Final = b"\r\n--b"
_HEAD: Final = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'


def check(data: bytes) -> None:
    """As it is, and as it were if it were an image that its sender had put into a form."""
    check_form(data)
    if _DELIMITER not in b"\r\n" + data:
        form = _HEAD + data + _DELIMITER + b"--\r\n"
        batch = read(cut_the_same(form), CONTENT_TYPE)
        assert isinstance(batch, Read), f"a right form is refused: {batch}"
        assert batch.whole == {0: data}


def check_form(data: bytes) -> None:
    batch = read([data] if data else [], CONTENT_TYPE)
    assert read(cut_the_same(data), CONTENT_TYPE) == batch
    if not isinstance(batch, Read):
        return
    images = [content.data for content in batch.contents.values()]
    assert len(images) == len(batch.outline.images)
    parts = list(between_delimiters(data))
    in_order = iter(parts)
    assert all(image in in_order for image in images)
    for image in images:
        parts.remove(image)
    names = [image.name for image in batch.outline.images]
    others = [part for part in parts if part and decoded(part) not in names]
    said = said_in(batch.outline.options)
    assert [read_options(part) for part in others] in ([], [said]), "a part is passed over"


def decoded(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def between_delimiters(body: bytes) -> Iterator[bytes]:
    """The contents of the parts of a body that is right (RFC 2046, section 5.1.1)."""
    body = b"\r\n" + body
    at = body.index(_DELIMITER)
    while not body.startswith(b"--", at + len(_DELIMITER)):
        begin = body.index(b"\r\n\r\n", at + len(_DELIMITER)) + 4
        at = body.index(_DELIMITER, begin)
        yield body[begin:at]
