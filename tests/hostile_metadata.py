"""Images whose metadata is made to hang, to fill memory or to mislead: small whole pictures round it, built at once.

Those of TAGGED can be written into without harm, those of REFUSED can't.
"""

import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.jpeg_parts import SOI, segment
from tests.photos import a_jpeg, a_png

XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP: Final = b"Photoshop 3.0\0"
SEGMENT_BYTES: Final = 65_000
IHDR_END: Final = 8 + 25
MANY: Final = 2**32 - 1
PACKET_HEAD: Final = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:me="http://example.com/me/">'
)
PACKET_END: Final = b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'


def jpeg(*segments: bytes) -> bytes:
    picture = a_jpeg()
    return SOI + b"".join(segments) + picture[len(SOI) :]


def png(*chunks: bytes) -> bytes:
    picture = a_png()
    return picture[:IHDR_END] + b"".join(chunks) + picture[IHDR_END:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(megabytes: int) -> bytes:
    """What zlib makes this many megabytes of zeros of; each takes a kilobyte."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    megabyte = stream.compress(bytes(2**20)) + stream.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", megabytes * 2**20 % 65_521, 1)  # Adler-32 of zeros
    return b"\x78\x9c" + megabyte * megabytes + stream.flush() + checksum


def packet(body: bytes, doctype: bytes = b"") -> bytes:
    return doctype + PACKET_HEAD + body + PACKET_END


def jpeg_xmp(body: bytes, doctype: bytes = b"") -> bytes:
    return jpeg(segment(0xE1, XMP + packet(body, doctype)))


def png_xmp(body: bytes, doctype: bytes = b"") -> bytes:
    return png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(body, doctype)))


def elements(count: int) -> bytes:
    return b"".join(b"<me:p%d>v</me:p%d>" % (number, number) for number in range(count))


def namespaces(count: int) -> bytes:
    return b"".join(b"<n%d:p xmlns:n%d='http://n/%d/'>v</n%d:p>" % ((number,) * 4) for number in range(count))


def nested(count: int) -> bytes:
    return b"<me:a>" + b"<rdf:Bag><rdf:li>" * count + b"</rdf:li></rdf:Bag>" * count + b"</me:a>"


BILLION_LAUGHS: Final = (
    b'<!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]>"
)
QUADRATIC: Final = b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 30_000 + b'">]>'
EXTERNAL: Final = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def resource(kind: int, content: bytes, *, length: int | None = None) -> bytes:
    said = len(content) if length is None else length
    return b"8BIM" + struct.pack(">H2xI", kind, said) + content + b"\0" * (len(content) % 2)


def photoshop(*resources: bytes) -> bytes:
    return segment(0xED, PHOTOSHOP + b"".join(resources))


def keywords(count: int) -> bytes:
    return b"".join(b"\x1c\x02\x19\0\5%05d" % (number % 100_000) for number in range(count))


def raw_profile(content: bytes, *, length: int | None = None) -> bytes:
    said = len(content) if length is None else length
    return b"\niptc\n%8d\n%b\n" % (said, content.hex().encode())


def compressed_iptc(text: bytes) -> bytes:
    return png(chunk(b"zTXt", b"Raw profile type iptc\0\0" + text))


def exif(*entries: tuple[int, int, int, int], at: int = 8, following: int = 0, rest: bytes = b"") -> bytes:
    """A block of EXIF with these (tag, type, count, value or offset) in its first directory."""
    fields = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + fields + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", at) + directory + rest


def jpeg_exif(block: bytes) -> bytes:
    return jpeg(segment(0xE1, b"Exif\0\0" + block))


def png_exif(block: bytes) -> bytes:
    return png(chunk(b"eXIf", block))


def extended_xmp(count: int) -> bytes:
    """A packet that names an extended one, whose pieces overlap, repeat and say a length of four gigabytes."""
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    note = (
        b"<xmpNote:HasExtendedXMP xmlns:xmpNote='http://ns.adobe.com/xmp/note/'>%b</xmpNote:HasExtendedXMP>"
    )
    head = EXTENDED_XMP + guid + struct.pack(">I", MANY)
    pieces = [segment(0xE1, head + struct.pack(">I", n % 7) + bytes(SEGMENT_BYTES)) for n in range(count)]
    return jpeg(segment(0xE1, XMP + packet(note % guid)), *pieces)


def picture_index(count: int, start: int) -> bytes:
    """A segment whose directory says that its entries take `count` bytes from `start`."""
    return segment(0xE2, b"MPF\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0xB002, 7, count, start, 0))


def self_index() -> bytes:
    """The offset of its one picture is what says where the entries are: to mend one is to damage the other."""
    return jpeg(picture_index(16, 10), segment(0xE1, XMP + packet(b"")))


TAGGED: Final[dict[str, Callable[[], bytes]]] = {
    "EXIF that points to itself": partial(jpeg_exif, exif((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), following=8)),
    "EXIF with a loop of directories": partial(
        jpeg_exif, exif((0x8769, 4, 1, 26), rest=struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 8))
    ),
    "EXIF with values of four gigabytes": partial(
        jpeg_exif, exif(*[(tag, kind, MANY, 8) for tag in (0x010E, 0x010F, 0x927C) for kind in (1, 2, 12)])
    ),
    "EXIF whose description lies outside": partial(jpeg_exif, exif((0x010E, 2, 100, MANY))),
    "EXIF whose directory lies outside": partial(jpeg_exif, exif(at=MANY)),
    "EXIF with more fields than bytes": partial(jpeg_exif, b"II*\0\x08\0\0\0\xff\xff" + bytes(100)),
    "EXIF of nothing": partial(jpeg_exif, b""),
    "EXIF without room": partial(jpeg_exif, exif(rest=bytes(65_500))),
    "EXIF of a PNG with values of four gigabytes": partial(png_exif, exif((0x010E, 2, MANY, MANY))),
    "EXIF of a PNG with 65535 fields": partial(
        png_exif,
        b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 0x010E, 2, 3_000_000, 8) * 65_535 + bytes(4),
    ),
    "EXIF a hundred times": lambda: jpeg(*[segment(0xE1, b"Exif\0\0II*\0" + bytes(SEGMENT_BYTES))] * 100),
    "XMP a thousand times": lambda: png(
        *[chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(b""))] * 700
    ),
    "Extended XMP that goes round": partial(extended_xmp, 100),
    "XMP with thousands of elements": partial(png_xmp, elements(5_000)),
    "Photoshop's resources without content": lambda: jpeg(
        *[photoshop(*[resource(0x0401, b"")] * 5_000)] * 100
    ),
    "hundreds of comments": lambda: jpeg(*[segment(0xFE, b"")] * 900),
    "a text a hundred thousand times": lambda: png(*[chunk(b"tEXt", b"a\0b")] * 99_000),
    "a megabyte of fill bytes": lambda: jpeg(b"\xff" * 1_000_000 + segment(0xFE, b"")),
    "a text that grows to more than the memory": lambda: png(chunk(b"zTXt", b"Comment\0\0" + bomb(1024))),
    "an index of pictures that goes on for ever": lambda: jpeg(picture_index(MANY, 8)),
}

REFUSED: Final[dict[str, Callable[[], bytes]]] = {
    "a comment a hundred thousand times": lambda: jpeg(*[segment(0xFE, b"")] * 99_000),
    "IPTC with an extended size of four gigabytes": lambda: jpeg(
        photoshop(resource(0x0404, b"\x1c\x02\x19\x80\4\xff\xff\xff\xff" + b"x" * 100))
    ),
    "IPTC whose size has 32767 bytes": lambda: jpeg(
        photoshop(resource(0x0404, b"\x1c\x02\x19\xff\xff" + b"\xff" * 1000))
    ),
    "XMP with entities in entities": partial(jpeg_xmp, b"<me:a>&j;</me:a>", BILLION_LAUGHS),
    "XMP with a long entity many times": partial(
        png_xmp, b"<me:a>" + b"&a;" * 20_000 + b"</me:a>", QUADRATIC
    ),
    "XMP with a file of the server": partial(jpeg_xmp, b"<me:a>&a;</me:a>", EXTERNAL),
    "XMP nested ten thousand deep": partial(png_xmp, nested(6_000)),
    "XMP that ends early": lambda: jpeg(segment(0xE1, XMP + packet(b"")[:200])),
    "XMP that is no XML": lambda: jpeg(segment(0xE1, XMP + bytes(SEGMENT_BYTES))),
    "XMP with hundreds of thousands of elements": lambda: png_xmp(elements(300_000)),
    "XMP with tens of thousands of namespaces": lambda: png_xmp(namespaces(20_000)),
    "XMP of ten megabytes": lambda: png_xmp(b"<me:a>" + b"x" * 10_000_000 + b"</me:a>"),
    "XMP a hundred times 64 KB": lambda: jpeg(*[segment(0xE1, XMP + packet(b"x" * 60_000))] * 100),
    "XMP that grows to more than the memory": lambda: png(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb(200))
    ),
    "IPTC that grows to more than the memory": lambda: compressed_iptc(bomb(200)),
    "IPTC that lies about its length as text": lambda: compressed_iptc(
        zlib.compress(raw_profile(b"\x1c\x02", length=99_999_999))
    ),
    "IPTC with tens of thousands of keywords": lambda: jpeg(
        *[photoshop(resource(0x0404, keywords(6_000)))] * 20
    ),
    "IPTC as text with tens of thousands of keywords": lambda: png(
        chunk(b"tEXt", b"Raw profile type iptc\0" + raw_profile(keywords(60_000)))
    ),
    "a resource that lies about its length": lambda: jpeg(
        photoshop(resource(0x0404, b"x" * 99, length=MANY))
    ),
    "a resource whose name is longer than it": lambda: jpeg(photoshop(b"8BIM\4\4\xff\0\0\0\0\1x")),
    "an index of pictures that is one of them": self_index,
    "a picture that is cut off": lambda: a_jpeg()[:-300],
    "metadata alone": lambda: jpeg_exif(exif())[:-600],
}
