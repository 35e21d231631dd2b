"""Bodies that are no batch, and framing that is none, byte by byte against a real gateway: each is told so, or the
connection ends; nothing of it is kept, nothing is logged as an error, and the next client is served as ever."""

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.curl import Answer
from tests.patience import PATIENCE_S
from tests.photos import a_png
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.raw_http import Line, chunk, connection, head

BATCH: Final = "/api/v1/batch"
AS_JSON, AS_FORM = ("Content-Type", "application/json"), ("Content-Type", "multipart/form-data; boundary=b")
PACKED, CHUNKED = ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")
AT_ONCE: Final = 20

ENCODED: Final = base64.b64encode(a_png(1, 1)).decode()
DOCUMENT: Final = json.dumps(
    {"images": [{"base64": ENCODED, "name": "ü\n"}, {"base64": ENCODED}, {"url": "http://a/"}]}
).encode()
FORM: Final = (
    b'--b\r\nContent-Disposition: form-data; name="i"; filename="a.png"\r\n\r\n' + a_png(1, 1) + b"\r\n"
) * 2 + b'--b\r\nContent-Disposition: form-data; name="options"\r\n\r\n{}\r\n--b--'
URLS: Final = b'{"images": [{"url": "http://127.0.0.1:9/"}]}'

WRONG: Final = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "another type": b"[]",
    "no images": b'{"images": []}',
    "a key twice": b'{"images": [{"base64": "AAAA", "base64": "AAAA"}]}',
    "images twice": b'{"images": [{"base64": "AAAA"}], "images": [{"base64": "AAAA"}]}',
    "a lone surrogate": b'{"images": [{"base64": "AAAA", "name": "\\ud800"}]}',
    "broken UTF-8": b'{"images": [{"base64": "AA\xff\xff"}]}',
    "a line break in a string": b'{"images": [{"base64": "AA\nAA"}]}',
    "more behind its end": DOCUMENT + b"x",
    "two documents": DOCUMENT + DOCUMENT,
    "deep": b'{"images": [{"base64": "AAAA"}], "options": ' + b"[" * 100_000,
    "a BOM": b"\xef\xbb\xbf" + DOCUMENT,
    "another encoding": DOCUMENT.decode().encode("utf-16"),
    "an address that yarl can't take": b'{"images": [{"url": "http://[]@/"}]}',
}
"""JSON bodies that are whole, and no batch."""

TOO_MUCH: Final = {
    "wide": b'{"images": [' + b"{}," * 1_000_000 + b"{}]}",
    "with an endless name": b'{"images": [{"base64": "AAAA", "name": "' + b"a" * 8_000_000 + b'"}]}',
    "with endless blanks": b" " * 8_000_000 + DOCUMENT,
    "with many images": b'{"images": [' + b'{"base64": "AAAA"},' * 100_000 + b"{}]}",
}
"""JSON bodies that need not be read to their end to be refused."""

JSON_HEAD: Final = head("POST", BATCH, AS_JSON, ("Content-Length", len(DOCUMENT)))
IN_CHUNKS: Final = head("POST", BATCH, AS_JSON, CHUNKED)

FRAMING: Final = {
    "less than was declared": head("POST", BATCH, AS_JSON, ("Content-Length", len(DOCUMENT) + 1)) + DOCUMENT,
    "an image's half": head("POST", BATCH, ("Content-Type", "image/png"), ("Content-Length", 1000))
    + a_png()[:500],
    "a form's half": head("POST", BATCH, AS_FORM, ("Content-Length", 1000)) + FORM[:90],
    "no last chunk": IN_CHUNKS + chunk(DOCUMENT),
    "half a chunk": IN_CHUNKS + chunk(DOCUMENT)[:40],
    "a chunk that is none": IN_CHUNKS + chunk(DOCUMENT) + b"xyz\r\n",
    "a chunk of negative length": IN_CHUNKS + chunk(DOCUMENT) + b"-1\r\n",
    "a chunk without end": IN_CHUNKS + b"fffffffffffffffff\r\n" + DOCUMENT,
    "a chunk longer than it says": IN_CHUNKS + b"2\r\n" + DOCUMENT + b"\r\n0\r\n\r\n",
    "an endless chunk extension": IN_CHUNKS + b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "a trailer that is none": IN_CHUNKS + chunk(DOCUMENT[:-1]) + b"0\r\nno trailer\r\n\r\n",
    "two lengths": head("POST", BATCH, AS_JSON, ("Content-Length", 2), ("Content-Length", 3)) + b"{}",
    "a length and chunks": head("POST", BATCH, AS_JSON, ("Content-Length", 5), CHUNKED) + chunk(b""),
    "a signed length": head("POST", BATCH, AS_JSON, ("Content-Length", "+2")) + b"{}",
    "another transfer coding": head("POST", BATCH, AS_JSON, ("Transfer-Encoding", "gzip, chunked"))
    + chunk(b""),
    "chunks twice": head("POST", BATCH, AS_JSON, ("Transfer-Encoding", "chunked, chunked")) + chunk(b""),
    "half a gzip": head("POST", BATCH, AS_JSON, PACKED, CHUNKED)
    + chunk(gzip.compress(DOCUMENT)[:30])
    + chunk(b""),
    "no gzip": head("POST", BATCH, AS_JSON, PACKED, CHUNKED) + chunk(DOCUMENT) + chunk(b""),
    "gzip as a form, half": head("POST", BATCH, AS_FORM, PACKED, CHUNKED)
    + chunk(gzip.compress(FORM)[:-9])
    + chunk(b""),
}
"""Requests whose body does not come to a good end; what is in it would be a batch, or the begin of one."""


@asynccontextmanager
async def untouched(folder: Path, *, silence_s: float = 10.0) -> AsyncIterator[Gateway]:
    """A gateway that has kept nothing when all is over, and takes a proper batch then."""
    async with running_gateway(folder / "data", intake_silence_s=silence_s) as gateway:
        yield gateway
        await until(lambda: not any(gateway.objects.values()))
        async with aiohttp.ClientSession() as http:
            async with http.get(gateway.url(BATCH)) as answer:
                assert (await answer.json())["total"] == 0
            assert gateway.complaints() == []
            async with http.post(gateway.url(BATCH), data=URLS, headers=dict([AS_JSON])) as answer:
                assert answer.status == 201


async def until_closed(line: Line) -> list[Answer]:
    """All answers, interim ones left out, until the gateway closes the connection."""
    answers: list[Answer] = []
    try:
        while True:
            answers.append(await line.answer())
    except (asyncio.IncompleteReadError, ConnectionError):
        return [answer for answer in answers if answer.status != 100]


async def when_gone(line: Line) -> list[Answer]:
    """All that come after the client has closed its side."""
    line.writer.write_eof()
    return await until_closed(line)


async def one_at_most(line: Line) -> list[Answer]:
    """The answer, or none where the connection ends before."""
    try:
        while (answer := await line.answer()).status == 100:
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        return []
    return [answer]


async def statuses(
    gateway: Gateway, requests: Mapping[str, bytes], answers_on: Callable[[Line], Awaitable[list[Answer]]]
) -> dict[str, list[int]]:
    """Of the answers to each; all but the proper ones have to be problems."""
    places = asyncio.Semaphore(AT_ONCE)

    async def of_one(request: bytes) -> list[int]:
        async with places, connection(gateway.port) as line:
            with suppress(ConnectionError):
                await line.send(request)
            answers = await answers_on(line)
        refusals = [answer for answer in answers if answer.status != 200]
        assert {answer.headers["content-type"] for answer in refusals} <= {"application/problem+json"}
        return [answer.status for answer in answers]

    found = await asyncio.gather(*map(of_one, requests.values()))
    return dict(zip(requests, found, strict=True))


def whole(body: bytes, *headers: tuple[str, object]) -> bytes:
    """A request in good framing, and one behind it, after which the connection ends."""
    last = head("GET", "/healthz", ("Connection", "close"))
    return head("POST", BATCH, *headers, ("Content-Length", len(body))) + body + last


def every_begin(body: bytes) -> Iterator[bytes]:
    return (body[:length] for length in range(len(body)))


CUT: Final[Mapping[str, tuple[bytes, Sequence[tuple[str, object]]]]] = {
    "JSON": (DOCUMENT, [AS_JSON]),
    "form": (FORM, [AS_FORM]),
    "packed JSON": (gzip.compress(DOCUMENT, mtime=0), [AS_JSON, PACKED]),
    "packed form": (gzip.compress(FORM, mtime=0), [AS_FORM, PACKED]),
}


@pytest.mark.parametrize("kind", CUT)
async def test_a_body_cut_off_anywhere_is_refused_and_the_next_request_answered(tmp_path: Path, kind: str):
    body, headers = CUT[kind]
    async with untouched(tmp_path) as gateway:
        requests = {f"{len(begin)} bytes": whole(begin, *headers) for begin in every_begin(body)}
        assert await statuses(gateway, requests, until_closed) == {name: [400, 200] for name in requests}


async def test_a_body_that_is_no_batch_is_refused_and_the_next_request_answered(tmp_path: Path):
    async with untouched(tmp_path) as gateway:
        requests = {name: whole(body, AS_JSON) for name, body in WRONG.items()}
        assert await statuses(gateway, requests, until_closed) == {name: [400, 200] for name in requests}


async def test_a_body_that_is_too_much_is_refused_before_its_end(tmp_path: Path):
    """What stands behind it is answered where it had come in time, or never."""
    async with untouched(tmp_path) as gateway:
        requests = {name: whole(body, AS_JSON) for name, body in TOO_MUCH.items()}
        found = await statuses(gateway, requests, until_closed)
        assert [told for told in found.values() if told not in ([400], [413], [400, 200], [413, 200])] == []


def expecting(expectation: bytes) -> dict[str, bytes]:
    """The requests in wrong framing, with another header."""
    return {
        name: request.replace(b"Host: x\r\n", b"Host: x\r\n" + expectation)
        for name, request in FRAMING.items()
    }


TWO_IMAGES: Final = DOCUMENT[: DOCUMENT.index(b', {"url"')]
TWO_PARTS: Final = FORM[: FORM.rindex(b"--b\r\n")]


def flushed(text: bytes) -> bytes:
    """The begin of a gzip from which all of the text can be had already."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)


STORED: Final[Mapping[str, tuple[Sequence[tuple[str, object]], bytes, bytes]]] = {
    "JSON cut off": ([AS_JSON], TWO_IMAGES, b""),
    "JSON that breaks": ([AS_JSON], TWO_IMAGES, b"]]"),
    "another image is wrong": ([AS_JSON], TWO_IMAGES, b', {"url": "ftp://a/"}]}'),
    "the same key comes again": ([AS_JSON], TWO_IMAGES, b'], "images": []}'),
    "a form cut off": ([AS_FORM], TWO_PARTS, b""),
    "a form whose options are wrong": ([AS_FORM], FORM[:-9], b"x\r\n--b--"),
    "gzip that breaks": ([AS_JSON, PACKED], flushed(TWO_IMAGES), b"\xff" * 100),
    "gzip cut off": ([AS_FORM, PACKED], flushed(TWO_PARTS), b""),
}
"""Headers; a begin with two images, of which the first is stored as soon as the second comes; how the body goes on."""


async def test_images_that_were_stored_go_when_their_body_turns_out_wrong(tmp_path: Path):
    async with untouched(tmp_path) as gateway:
        found = {how: await status_when_stored(gateway, *parts) for how, parts in STORED.items()}
        assert found == dict.fromkeys(STORED, 400)


async def status_when_stored(
    gateway: Gateway, headers: Sequence[tuple[str, object]], begin: bytes, rest: bytes
) -> int:
    """Of the answer to a body that went on after an image was stored, once nothing is stored any more."""
    async with connection(gateway.port) as line:
        await line.send(head("POST", BATCH, *headers, CHUNKED), chunk(begin))
        await until(lambda: bool(gateway.objects["original"]))
        await line.send(chunk(rest) if rest else b"", chunk(b""))
        answer = await line.answer()
    await until(lambda: not any(gateway.objects.values()))
    return answer.status


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


EXPECTATIONS: Final = pytest.mark.parametrize(
    "expectation", [b"", b"Expect: 100-continue\r\n"], ids=["unasked", "asked"]
)


@EXPECTATIONS
async def test_a_body_that_comes_to_no_good_end_is_refused(tmp_path: Path, expectation: bytes):
    async with untouched(tmp_path, silence_s=0.5) as gateway:
        found = await statuses(gateway, expecting(expectation), one_at_most)
        assert {name: told for name, told in found.items() if told not in ([400], [408])} == {}


@EXPECTATIONS
async def test_of_a_body_whose_sender_goes_before_its_end_nothing_is_kept(tmp_path: Path, expectation: bytes):
    async with untouched(tmp_path) as gateway:
        found = await statuses(gateway, expecting(expectation), when_gone)
        assert {name: told for name, told in found.items() if told not in ([], [400])} == {}
