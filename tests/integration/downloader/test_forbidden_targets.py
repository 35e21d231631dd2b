"""Where a download may not connect: 127.0.0.1 must not see a single connection."""

import asyncio

import pytest

from gateway.fetch.failures import DownloadRefused
from tests.integration.downloader.sites import (
    PNG,
    a_downloader,
    a_site,
    read,
)
from tests.servers.web import HOST, Request, image, redirect, web_server


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0", "127.0.0.1."],
)
async def test_a_forbidden_address_is_refused_in_any_spelling(host: str) -> None:
    async with (
        web_server({"/a.png": image(PNG)}, host="127.0.0.1") as secret,
        a_downloader(secret) as downloader,
    ):
        with pytest.raises(DownloadRefused, match="may not be connected to"):
            await read(downloader, secret.url("/a.png", host=host))
    assert secret.accepted == 0


async def test_the_guard_alone_stops_a_name_that_resolves_to_a_forbidden_address() -> None:
    names = {"innocent.test": ["127.0.0.1"]}
    async with web_server(host="127.0.0.1") as secret, a_downloader(secret, names=names) as downloader:
        with pytest.raises(DownloadRefused) as caught:
            await read(downloader, secret.url("/a.png", host="innocent.test"))
    assert caught.value.code == "download_refused"
    assert not caught.value.retryable
    assert "127.0.0.1" not in caught.value.text
    assert secret.accepted == 0


async def test_a_name_with_several_forbidden_addresses_is_refused_too() -> None:
    async with web_server(host="127.0.0.1") as secret:
        names = {"innocent.test": ["127.0.0.1", "10.0.0.1", "169.254.169.254"]}
        async with a_downloader(secret, names=names) as downloader:
            with pytest.raises(DownloadRefused):
                await read(downloader, secret.url("/a.png", host="innocent.test"))
    assert secret.accepted == 0


async def test_a_name_with_very_many_forbidden_addresses_is_refused_as_one_with_few() -> None:
    """Without a bound they would take all the time that there is for connecting, and the event loop with it."""
    addresses = [f"10.{number // 250}.{number % 250}.1" for number in range(4000)]
    async with a_site(image(PNG)) as site, a_downloader(site, names={"many.test": addresses}) as downloader:
        with pytest.raises(DownloadRefused):
            await read(downloader, site.url("/a.png", host="many.test"))


async def test_of_a_name_with_mixed_addresses_only_the_permitted_one_is_connected_to() -> None:
    async with a_site(image(PNG)) as site, web_server(host="127.0.0.1", port=site.port) as secret:
        async with a_downloader(site, names={"mixed.test": ["127.0.0.1", HOST]}) as downloader:
            assert await read(downloader, site.url("/a.png", host="mixed.test")) == PNG
        assert secret.accepted == 0


async def test_a_name_that_is_rebound_between_two_hops_is_refused() -> None:
    names = {"rebound.test": [HOST], "other.test": [HOST]}

    async def rebind(_: Request, writer: asyncio.StreamWriter) -> None:
        names["rebound.test"] = ["127.0.0.1"]
        await redirect(f"http://rebound.test:{site.port}/b.png")(_, writer)

    async with a_site(rebind) as site, web_server(host="127.0.0.1", port=site.port) as secret:
        async with a_downloader(site, names=names) as downloader:
            with pytest.raises(DownloadRefused):
                await read(downloader, site.url("/a.png", host="other.test"))
        assert secret.accepted == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "innocent.test"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_forbidden_address_is_refused(host: str, status: int) -> None:
    names = {"innocent.test": ["127.0.0.1"]}
    async with (
        web_server({"/b.png": image(PNG)}, host="127.0.0.1") as secret,
        a_site(redirect(secret.url("/b.png", host=host), status)) as site,
        a_downloader(site, secret, names=names) as downloader,
    ):
        with pytest.raises(DownloadRefused) as caught:
            await read(downloader, site.url("/a.png"))
    assert caught.value.text == f"{site.url('/a.png')} leads to an address that may not be connected to"
    assert secret.accepted == 0


async def test_another_port_is_refused() -> None:
    async with a_site(image(PNG)) as site, web_server() as other, a_downloader(site) as downloader:
        with pytest.raises(DownloadRefused, match=f"asks for port {other.port}"):
            await read(downloader, other.url("/a.png"))
    assert other.accepted == 0


async def test_a_denied_domain_is_refused_at_a_redirect_as_well() -> None:
    names = {"good.test": [HOST], "www.bad.test": [HOST]}
    async with web_server() as site:
        site.pages["/a.png"] = redirect(site.url("/b.png", host="www.bad.test"))
        async with a_downloader(site, names=names, denied_domains=("bad.test",)) as downloader:
            with pytest.raises(DownloadRefused, match="leads to a domain that is not allowed"):
                await read(downloader, site.url("/a.png", host="good.test"))
    assert len(site.requests) == 1
