"""The table of hostile URLs through a gateway as it runs, its name server the system's: what a client is told of each.

Certificates are checked here, too, for only a process of its own can be told whom to trust.
"""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from attrs import frozen

from tests.hostile_place import HostilePlace, hostile_place, told_of_places
from tests.hostile_urls import SITE, TABLE, Hostile
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.hostile_site import MAX_BYTES
from tests.servers.web import Page, Site, image, redirect, web_server

PATIENCE_S = 60
UNREADABLE = {"bad_url", "bad_scheme"}
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
PUBLIC = "photos.test"


@frozen
class Secure:
    """Sites with TLS on 127.0.0.2, by what is wrong with their certificates; `good`: nothing."""

    sites: Mapping[str, Site]

    def url(self, kind: str, path: str = "/good.jpg", host: str = PUBLIC) -> str:
        return self.sites[kind].url(path, host=host)


@pytest.fixture
async def place() -> AsyncIterator[HostilePlace]:
    async with hostile_place({"/good.jpg": image(a_jpeg(), "image/jpeg")}) as place:
        yield place


@pytest.fixture
def trusted() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure(place: HostilePlace, trusted: trustme.CA) -> AsyncIterator[Secure]:
    certificates = {
        "good": trusted.issue_cert(PUBLIC),
        "of another name": trusted.issue_cert("other.test"),
        "expired": trusted.issue_cert(PUBLIC, not_before=LONG_AGO, not_after=LONG_AGO.replace(year=2021)),
        "of nobody": trustme.CA().issue_cert(PUBLIC),
    }
    pages: dict[str, Page] = {
        "/good.jpg": image(a_jpeg(), "image/jpeg"),
        "/down": redirect(place.site.url("/good.jpg", host=PUBLIC)),
        "/down-to-secret": redirect(place.forbidden[0].url("/secret.png")),
    }
    async with AsyncExitStack() as stack:
        sites = {}
        for kind, certificate in certificates.items():
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(tls)
            sites[kind] = await stack.enter_async_context(web_server(pages, host=SITE, tls=tls))
        yield Secure(sites)


@pytest.fixture
async def gateway(
    tmp_path: Path, place: HostilePlace, secure: Secure, trusted: trustme.CA
) -> AsyncIterator[Gateway]:
    trusted.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ports = [80, 443, place.port, *(site.port for site in secure.sites.values())]
    async with running_gateway(
        tmp_path / "data",
        *place.names.asked_by_all(tmp_path),
        environment={"SSL_CERT_FILE": str(tmp_path / "ca.pem")},
        fetch_allowed_networks=f"{SITE}/32",
        fetch_allowed_ports=",".join(map(str, ports)),
        fetch_denied_domains="denied.test",
        fetch_read_timeout_s=3,
        fetch_total_timeout_s=10,
        fetch_tries=1,
        fetch_concurrency=32,
        fetch_per_host=32,
        intake_max_image_bytes=MAX_BYTES,
    ) as gateway:
        yield gateway


async def ended(http: aiohttp.ClientSession, location: str) -> dict[str, Any]:
    """The only image of that job, once the job has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with http.get(location) as answer:
                job: dict[str, Any] = await answer.json()
            if "completed_at" in job:
                image: dict[str, Any] = job["images"][0]
                return image
            await asyncio.sleep(0.05)


async def outcome(http: aiohttp.ClientSession, url: str) -> tuple[str, str]:
    """Code and text of what becomes of a batch of that URL."""
    async with http.post("/api/v1/batch", json={"images": [{"url": url}]}) as answer:
        if answer.status == 400:
            (fault,) = (await answer.json())["errors"]
            assert fault["pointer"] == "/images/0/url"
            return fault["code"], fault["detail"]
        assert answer.status == 201
        location = answer.headers["Location"]
    image = await ended(http, location)
    return image.get("code", image["status"]), image.get("error", "")


def right(row: Hostile, code: str) -> bool:
    """As the table says; or sooner: with the batch, where a URL can't be read, and at bytes that begin no image."""
    if row.trick == "answer":
        return code in (row.code, "not_an_image")
    return code == row.code or (code in UNREADABLE and row.trick in ("parser", "scheme", "port"))


async def outcomes(gateway: Gateway, urls: Iterable[str]) -> list[tuple[str, str]]:
    async with aiohttp.ClientSession(gateway.base_url) as http:
        return await asyncio.gather(*[outcome(http, url) for url in urls])


async def test_each_is_refused_with_its_code_and_nothing_is_told_of_where_it_led(
    gateway: Gateway, place: HostilePlace
) -> None:
    rows = [row.on(place.port) for row in TABLE]
    for row in rows:
        if row.trick == "rebinding":
            await place.look_up_before(row.url)
    found = await outcomes(gateway, [row.url for row in rows])
    assert await place.accepts() == 0
    assert [(row, code) for row, (code, _) in zip(rows, found, strict=True) if not right(row, code)] == []
    assert [text for _, text in found if told_of_places(text)] == []
    reasons = [line["reason"] for line in gateway.log() if line["event"] == "download failed"]
    assert len(reasons) == len([code for code, _ in found if code not in UNREADABLE])
    assert [reason for reason in reasons if told_of_places(reason)] == []


async def test_the_same_gateway_takes_what_is_allowed(
    gateway: Gateway, place: HostilePlace, secure: Secure
) -> None:
    good = [place.site.url("/good.jpg"), place.site.url("/good.jpg", host=PUBLIC), secure.url("good")]
    assert await outcomes(gateway, good) == [("completed", "")] * 3


async def test_https_is_refused_where_it_can_not_be_trusted(
    gateway: Gateway, place: HostilePlace, secure: Secure
) -> None:
    hostile = {
        secure.url("of another name"): "has no valid TLS certificate",
        secure.url("expired"): "has no valid TLS certificate",
        secure.url("of nobody"): "has no valid TLS certificate",
        secure.url("good", host=SITE): "has no valid TLS certificate",
        secure.url("good", "/down"): "redirects from https to http",
        secure.url("good", "/down-to-secret"): "redirects from https to http",
    }
    texts = [text for _, text in await outcomes(gateway, hostile)]
    assert texts == [f"{url} {happened}" for url, happened in hostile.items()]
    assert await place.accepts() == 0
