import base64
import weakref
from collections.abc import Iterable, Sequence

import orjson
import pytest
from attrs import define, field
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.errors import BadInput, GatewayError, TooLarge
from gateway.intake.json.lifter import Document, Lifter, Pause, TextBegins, TextEnds
from gateway.intake.json.outline import read_outline
from tests.cuts import cut_the_same
from tests.garbage import collector_at_rest
from tests.json_documents import documents
from tests.standard_reading import Batch, Image, Wrong, read_document
from tests.traced_memory import traced_memory

MAX_IMAGES = 100


@define
class Lifted:
    """What the lifter made of a body."""

    document: Document | None = None
    texts: dict[int, bytes] = field(factory=dict)
    wrong: dict[int, str] = field(factory=dict)
    pauses: int = 0


def lifted(chunks: Iterable[bytes]) -> Lifted:
    lifter, found = Lifter(MAX_IMAGES), Lifted()
    index = -1
    for chunk in chunks:
        for event in lifter.feed(chunk):
            match event:
                case TextBegins(index):
                    assert index not in found.texts
                    found.texts[index] = b""
                case bytes():
                    found.texts[index] += event
                case TextEnds(wrong):
                    found.wrong[index] = wrong
                case Pause():
                    found.pauses += 1
    found.document = lifter.close()
    return found


def single_bytes(body: bytes) -> Sequence[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def refused(body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        lifted([body])
    with pytest.raises(type(caught.value)):
        lifted(single_bytes(body))
    return caught.value


def as_batch(found: Lifted) -> Batch:
    """In the words of the second opinion."""
    assert found.document is not None
    outline = read_outline(found.document.content, MAX_IMAGES)
    images = [
        Image(image.name, image.url, None if found.wrong.get(index) else found.texts.get(index))
        for index, image in enumerate(outline.images)
    ]
    metadata = outline.options and outline.options.metadata
    policies = (
        {name: getattr(metadata, name) for name in ("title", "description", "keywords")} if metadata else {}
    )
    said = {name: str(policy) for name, policy in policies.items() if policy is not None}
    return Batch(images, said if outline.options is not None else None)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_any_document_cut_anywhere_is_read_as_the_standard_modules_read_it(document: bytes):
    try:
        expected = read_document(document)
    except Wrong:
        with pytest.raises(GatewayError):
            as_batch(lifted(cut_the_same(document)))
    else:
        assert as_batch(lifted(cut_the_same(document))) == expected


def verdict(chunks: Iterable[bytes]) -> Lifted | str:
    """What was lifted, or the code of the error."""
    try:
        found = lifted(chunks)
    except GatewayError as error:
        return error.code
    found.pauses = 0
    return found


@given(documents())
def test_how_a_body_is_cut_makes_no_difference(document: bytes):
    assert verdict(single_bytes(document)) == verdict([document])


@pytest.mark.parametrize(
    "document",
    [b"[" * 8000, b"[" + b"[]" * 3499 + b"[" * 40, b" " * (64 * 1024 + MAX_IMAGES * 4096 + 1) + b"}"],
)
def test_of_two_faults_the_first_is_told_however_the_body_is_cut(document: bytes):
    assert verdict(single_bytes(document)) == verdict([document])


BITS = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"1",
        b"true",
        b" ",
        b"\n",
        b"\x00",
        b"\xc3\xa9",
        b"\xff",
        b'""',
    ),
    *(
        b'"images"',
        b'"base64":',
        b'"AAAA"',
        b'{"images":[{"base64":"',
        b'"}]}',
        b"\\u0041",
        b"\\ud83d",
        b'"a":1,',
    ),
]


def is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


@settings(max_examples=500)
@given(st.lists(st.sampled_from(BITS), max_size=12).map(b"".join))
@example(b'{"images":[{"base64":"AAAA" "base64":"AAAA"}]}')
@example(b'{"images":[{"base64":"AAAA"} {"base64":"AAAA"}]}')
@example(b'{"images":[{"base64" "AAAA"}]}')
@example(b'\xef\xbb\xbf{"images":[]}')
def test_whatever_bytes_come_only_json_is_taken_for_it(body: bytes):
    found = verdict([body])
    if is_json(body):
        assert isinstance(found, Lifted) or found == "key_twice"
    else:
        assert found in ("not_json", "key_twice")


def an_image(text: str) -> bytes:
    return b'{"images": [{"base64": "%b"}]}' % text.encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"images": [{"base64": "aGVsbG8="}]}',
        rb'{"images": [{"base64": "aGVs\u0062\u00478\u003d"}]}',
        rb'{"im\u0061ges": [{"b\u0061se64": "aGVsbG8="}]}',
        rb'{"images": [{"base64": "aGVs\r\nbG8=\n"}]}',
        rb'{"images": [{"base64": "data:image\/jpeg;base64,aGVsbG8="}]}',
        b' { "options" : { } , "images" : [ { "name" : "base64" , "base64" : "aGVsbG8=" } ] } \n',
    ],
)
def test_a_text_is_lifted_however_it_is_spelt_and_cut(body: bytes):
    assert lifted([body]).texts == {0: b"hello"}
    assert lifted(single_bytes(body)).texts == {0: b"hello"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"base64": "AAAA"}',
        b'[{"base64": "AAAA"}]',
        b'{"photos": [{"base64": "AAAA"}]}',
        b'{"images": {"base64": "AAAA"}}',
        b'{"images": {"0": {"base64": "AAAA"}}}',
        b'{"images": [["base64", "AAAA"]]}',
        b'{"images": [[{"base64": "AAAA"}]]}',
        b'{"images": [{"name": "base64"}]}',
        b'{"images": [{"base64": ["AAAA"]}]}',
        b'{"images": [{"base64": {"base64": "AAAA"}}]}',
        b'{"options": {"images": [{"base64": "AAAA"}]}}',
        rb'{"images": [{"name": "\", \"base64\": \"AAAA"}]}',
    ],
)
def test_no_other_string_is_lifted(body: bytes):
    found = lifted([body])
    assert found.texts == {}
    assert found.document == Document(orjson.loads(body))


def test_an_escape_that_is_cut_behind_its_backslash_escapes_nothing_else():
    assert lifted([b'["\\', b'n", "", "a"]']).document == Document(["\n", "", "a"])


def test_what_was_lifted_leaves_an_empty_string():
    assert lifted([an_image("AAAA")]).document == Document({"images": [{"base64": ""}]})


def test_texts_are_told_with_their_place_among_the_images():
    body = b'{"images": [{"url": "x,{}[]"}, {"base64": "AAAA"}, 7, {"base64": ""}]}'
    assert lifted([body]).texts == {1: bytes(3), 3: b""}


def test_wrong_base64_fails_its_image_alone():
    body = rb'{"images": [{"base64": "AAAA*\"\\BBBB"}, {"base64": "AAAA"}]}'
    found = lifted([body])
    assert found.texts == {0: bytes(3), 1: bytes(3)}
    assert "outside of the base64 alphabet" in found.wrong[0]
    assert not found.wrong[1]


@pytest.mark.parametrize("text", [r"\/\"AAAA", "*ü😀", r"*\"\\", r"\ud83d\ude00"])
def test_a_text_that_is_wrong_is_read_to_its_end(text: str):
    body = b'{"images": [{"base64": "%b"}, {"base64": "AAAA"}]}' % text.encode()
    assert lifted([body]).texts == {0: b"", 1: bytes(3)}
    assert lifted(single_bytes(body)).texts == {0: b"", 1: bytes(3)}


@pytest.mark.parametrize("text", ["AA\nAA", "AAAA\x00", r"AA\xAA", r"\u00", r"AAAA\ud800", r"**\ud800**"])
def test_a_text_that_is_no_string_of_json_refuses_the_body(text: str):
    assert refused(an_image(text)).code == "not_json"


@pytest.mark.parametrize("byte", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x80"])
def test_a_text_that_is_not_utf_8_refuses_the_body(byte: bytes):
    assert refused(an_image("AAAA").replace(b"AAAA", byte)).code == "not_json"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b'{"images": [{"base64": "AAAA', "ends inside a string"),
        (b'{"images": [{"name": "a', "ends inside a string"),
        (b'{"images": [{"base64": "AAAA"', "ends inside an object"),
        (b'{"images": [', "ends inside an array"),
        (b'{"images": [{"base64": "AAAA"}]} {}', "behind its end"),
        (b'{"images": [{"base64": "AAAA"}]} "x"', ""),
        (b'{"images": [{"base64": "AAAA"}],}', ""),
        (b'{"images": NaN}', ""),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"", "is not JSON: it is empty."),
        (b" \n", "is not JSON: it is empty."),
        (b'{"images": [{"name": "\xff"}]}', "is not JSON: it is not valid UTF-8."),
        (b'{"images": [{"base64": "\xff"}]}', "is not JSON: it is not valid UTF-8."),
        (b'{"images": [{"base64": "AAAA"}}', "ends nothing"),
    ],
)
def test_what_is_not_json_says_so(body: bytes, why: str):
    error = refused(body)
    assert error.code == "not_json"
    assert why in error.text


def test_a_position_is_told_only_while_it_is_that_of_the_body():
    assert "column 2" in refused(b'{x": 1}'.replace(b'"', b"")).text
    assert "column" not in refused(b'{"images": [{"base64": "AAAA"}], x}').text


def test_the_first_image_too_many_is_refused_before_it_is_read():
    images = b",".join([b'{"base64": "AAAA"}'] * MAX_IMAGES)
    with pytest.raises(BadInput) as caught:
        lifted([b'{"images": [%b, {"base64": "' % images])
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/images", "too_many_images")]


@pytest.mark.parametrize("filling", [b" " * 500_000, b'"%b"' % (b"x" * 500_000), b"1" * 500_000])
def test_all_that_is_not_lifted_is_bounded(filling: bytes):
    body = b'{"images": [{"base64": "AAAA"}], "x": ' + filling
    with pytest.raises(
        TooLarge, match=f"{64 * 1024 + MAX_IMAGES * 4096} bytes besides what stands at images"
    ):
        lifted([body[at : at + 1000] for at in range(0, len(body), 1000)])


def test_values_without_end_are_too_complex():
    assert refused(b"[" + b"[]," * 5000).code == "too_complex"


@pytest.mark.parametrize("hostile", [b'"",' * 3000, b'"a":0,' * 2, b'{"":""},' * 700])
def test_a_chunk_of_very_many_parts_is_read_with_pauses(hostile: bytes):
    parts = hostile.count(b",") * 2
    lifter = Lifter(MAX_IMAGES)
    events = list(lifter.feed(b"[" + hostile))
    assert events == [Pause()] * len(events)
    assert len(events) >= parts // 256


@pytest.mark.parametrize("text", [rb"\"", rb"\\", "😀".encode(), rb"\u0041"])
def test_a_chunk_of_escapes_is_read_with_pauses(text: bytes):
    size = 1_000_000
    body = b'{"images": [{"base64": "%b"}]}' % (text * (size // len(text)))
    assert lifted([body]).pauses >= size // (300 * 1024)


def test_a_long_text_takes_no_memory():
    content = bytes(range(256)) * 300
    text = base64.b64encode(content)
    lifter = Lifter(MAX_IMAGES)
    list(lifter.feed(b'{"images": [{"base64": "'))
    with traced_memory() as traced:
        for _ in range(200):
            assert sum(len(piece) for piece in lifter.feed(text) if isinstance(piece, bytes)) == len(content)
    assert traced.held_bytes < 10_000


def test_a_refused_body_is_gone_without_the_collector_of_garbage():
    """With its refusal the chunk that came last would wait for a collection."""
    with collector_at_rest():
        lifter = Lifter(MAX_IMAGES)
        try:
            list(lifter.feed(an_image("AAAA\n")))
        except BadInput as error:
            refusal = weakref.ref(error)
        gone = weakref.ref(lifter)
        del lifter
        assert (refusal(), gone()) == (None, None)
