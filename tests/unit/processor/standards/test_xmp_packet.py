"""What Exiv2 would change of XMP unasked stays: what it is about, its namespaces, in this image and in later ones."""

import contextlib
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from gateway.metadata import Metadata
from gateway.processor.tags import TaggingFailed, write_tags
from tests.hostile_metadata import XMP, chunk, jpeg, packet, png
from tests.jpeg_parts import segment
from tests.pictures import exiftool, tags_of

WORDS = Metadata("A title", "A description", ("keyword",))


def about(text: bytes, body: bytes = b"<me:a>1</me:a>") -> bytes:
    return jpeg(segment(0xE1, XMP + packet(body).replace(b'rdf:about=""', b"rdf:about=" + text)))


@pytest.mark.parametrize("text", [b'"DJI Meta Data"', b"'DJI Meta Data'", '"東京"'.encode(), b'"uuid:1-2-3"'])
def test_it_stays(text: bytes) -> None:
    tags = tags_of(write_tags(about(text), WORDS))
    assert tags["XMP-rdf:About"] == text.decode()[1:-1]
    assert tags["XMP-dc:Title"] == "A title"


def test_it_stays_when_it_has_no_prefix() -> None:
    image = jpeg(segment(0xE1, XMP + packet(b"").replace(b'rdf:about=""', b'about="uuid:1-2-3"')))
    assert tags_of(write_tags(image, WORDS))["XMP-rdf:About"] == "uuid:1-2-3"


def test_where_it_says_nothing_nothing_is_put() -> None:
    assert "XMP-rdf:About" not in tags_of(write_tags(about(b'""'), WORDS))


def test_tagging_twice_gives_the_same_file() -> None:
    once = write_tags(about(b'"DJI Meta Data"'), WORDS)
    assert write_tags(once, WORDS) == once


def test_what_only_looks_like_it_breaks_nothing() -> None:
    image = about(b'""', b'<me:a><![CDATA[rdf:about="&nothing;" rdf:about="<b>"]]></me:a>')
    tags = tags_of(write_tags(image, WORDS))
    assert tags["XMP-dc:Title"] == "A title"


def test_it_stays_in_compressed_xmp_of_a_png() -> None:
    text = packet(b"<me:a>1</me:a>").replace(b'rdf:about=""', b'rdf:about="DJI"')
    image = png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text)))
    assert tags_of(write_tags(image, WORDS))["XMP-rdf:About"] == "DJI"


DC, XAP = b"http://purl.org/dc/elements/1.1/", b"http://ns.adobe.com/xap/1.0/"
TITLE = b'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Mine</rdf:li></rdf:Alt></dc:title>'


def with_namespace(prefix: bytes, uri: bytes, body: bytes = b"", *, encoding: str = "utf-8") -> bytes:
    declared = b'rdf:about="" xmlns:' + prefix + b'="' + uri + b'"'
    text = packet(body).replace(
        b' xmlns:dc="' + DC + b'"', b"" if prefix == b"dc" else b' xmlns:dc="' + DC + b'"'
    )
    return jpeg(segment(0xE1, XMP + text.replace(b'rdf:about=""', declared).decode().encode(encoding)))


def a_fresh_process() -> ProcessPoolExecutor:
    """In which Exiv2 has seen no image yet: what it was once told it keeps."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


class TestNamespaces:
    @pytest.mark.parametrize(
        "uri", [b"http://ns.microsoft.com/photo/1.0", b"http://rs.tdwg.org/dwc/index.htm", b"a#", b"a/"]
    )
    def test_each_stays_as_it_was_with_a_slash_or_without(self, uri: bytes) -> None:
        image = with_namespace(b"MicrosoftPhoto", uri, b"<MicrosoftPhoto:Rating>75</MicrosoftPhoto:Rating>")
        assert b'xmlns:MicrosoftPhoto="' + uri + b'"' in write_tags(image, WORDS)

    def test_two_that_differ_by_the_slash_alone_stay_two(self) -> None:
        body = b'<one:a>1</one:a><two:a xmlns:two="http://x/">2</two:a>'
        tagged = write_tags(with_namespace(b"one", b"http://x", body), WORDS)
        assert b'"http://x/"' in tagged

    def test_words_never_stand_in_a_namespace_that_is_not_theirs(self) -> None:
        with pytest.raises(TaggingFailed):
            write_tags(with_namespace(b"dc", b"http://other.example/", b"<dc:a>1</dc:a>"), WORDS)

    def test_where_there_is_nothing_to_write_they_are_no_matter(self) -> None:
        image = with_namespace(b"dc", b"http://other.example/", b"<dc:a>1</dc:a>")
        assert write_tags(image, Metadata(writer="nobody")) == image
        titled = exiftool("-XPTitle=Mine", image=image)
        assert write_tags(titled, Metadata("A title")) == titled

    def test_each_of_hundreds_does(self) -> None:
        body = b"".join(b'<n%d:a xmlns:n%d="http://u%d">1</n%d:a>' % (n, n, n, n) for n in range(700))
        tagged = write_tags(with_namespace(b"me2", b"http://me2", body), WORDS)
        assert b'xmlns:n699="http://u699"' in tagged

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be"])
    @pytest.mark.parametrize(
        ("prefix", "body"), [(b"dc", TITLE), (b"photoshop", TITLE), (b"xmp", b"<xmp:Rating>3</xmp:Rating>")]
    )
    def test_what_one_image_calls_so_no_later_image_does(
        self, prefix: bytes, body: bytes, encoding: str
    ) -> None:
        right = {b"dc": DC, b"photoshop": b"http://ns.adobe.com/photoshop/1.0/", b"xmp": XAP}[prefix]
        later = with_namespace(prefix, right, body)
        expected = write_tags(later, WORDS)
        false = with_namespace(
            prefix, b"http://other.example/", b"<%b:a>1</%b:a>" % (prefix, prefix), encoding=encoding
        )
        with contextlib.suppress(TaggingFailed):
            write_tags(false, WORDS)
        assert write_tags(later, WORDS) == expected

    def test_nor_does_it_for_one_with_a_blank(self) -> None:
        later = with_namespace(b"xmp", XAP, b"<xmp:Rating>3</xmp:Rating>")
        expected = write_tags(later, WORDS)
        write_tags(with_namespace(b"xmp", b"http://other example/", b"<xmp:a>1</xmp:a>"), WORDS)
        assert write_tags(later, WORDS) == expected

    def test_one_that_cannot_be_written_fails_its_image_alone(self) -> None:
        later = with_namespace(b"xmp", XAP, b"<xmp:Rating>3</xmp:Rating>")
        expected = write_tags(later, WORDS)
        with pytest.raises(TaggingFailed):
            write_tags(with_namespace(b"xmp", b"http://x/?a&amp;b/", b"<xmp:a>1</xmp:a>"), WORDS)
        assert write_tags(later, WORDS) == expected

    @pytest.mark.parametrize(
        "declared", [b'xmlns="http://x/"', b"""xmlns:me2="http://o'x/\"""", 'xmlns:mé="http://x/"'.encode()]
    )
    def test_in_whatever_way_it_is_declared_it_fails_no_image(self, declared: bytes) -> None:
        prefix = declared.partition(b"=")[0].removeprefix(b"xmlns").removeprefix(b":")
        name = prefix + b":a" if prefix else b"a"
        text = packet(b"<%b %b>1</%b>" % (name, declared, name))
        tags = tags_of(write_tags(jpeg(segment(0xE1, XMP + text)), WORDS))
        assert tags["XMP-dc:Title"] == "A title"

    @pytest.mark.parametrize("declared", [b"xmlns", b"xmlns:dublin"])
    def test_another_prefix_for_the_words_stays_with_its_image(self, declared: bytes) -> None:
        text = packet(b"").replace(b"xmlns:dc", declared)
        with a_fresh_process() as process:
            process.submit(write_tags, jpeg(segment(0xE1, XMP + text)), WORDS).result()
            assert b'xmlns:dc="' + DC in process.submit(write_tags, jpeg(), WORDS).result()

    def test_a_text_that_looks_like_one_fails_no_image(self) -> None:
        words = Metadata("Code", 'A screen with <rdf:li xmlns:dc="http://other.example/">', ("xml",))
        assert tags_of(write_tags(jpeg(), words))["XMP-dc:Description"] == words.description
