"""Downloads by the proxies of the environment: not unless a setting says so, and then what can be checked still is."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import evolve
from structlog.testing import capture_logs

from gateway.app import assembled
from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadFailed, DownloadRefused
from gateway.fetch.settings import FetchSettings
from gateway.settings import Settings, SettingsError
from tests.environment import without_proxies
from tests.free_ports import free_port
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.forward_proxy import ForwardProxy, forward_proxy
from tests.servers.gateway import running_gateway
from tests.servers.names import name_server
from tests.servers.web import Site, image, redirect, web_server
from tests.submitting import job_of, readiness, submit_json

PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 100
PUBLIC = "photos.test"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "FTP_PROXY")


class NoNames(AbstractResolver):
    """A look-up that knows no name: whoever needs one here does not go by the proxy."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(None, "unknown name")

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    without_proxies(monkeypatch)
    return monkeypatch


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with web_server({"/a.png": image(PNG)}) as site:
        yield site


@pytest.fixture
async def proxy(site: Site, environment: pytest.MonkeyPatch) -> AsyncIterator[ForwardProxy]:
    """Named by every variable there is; it alone knows where PUBLIC is."""
    async with forward_proxy({f"{PUBLIC}:80": (site.host, site.port)}) as proxy:
        for name in VARIABLES:
            environment.setenv(name, proxy.url)
        yield proxy


@asynccontextmanager
async def downloading(*ports: int, **changes: object) -> AsyncIterator[Downloader]:
    """A downloader that may go to the public web and to no network of ours, by the proxy."""
    settings = FetchSettings(allowed_ports=(80, 443, *ports), proxy_from_environment=True)
    settings = evolve(settings, **changes)  # type: ignore[arg-type]
    async with Downloader.create(settings, max_bytes=100_000, resolver=NoNames()) as downloader:
        yield downloader


async def read(downloader: Downloader, url: str) -> bytes:
    async with downloader.open(url) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_proxy_of_the_environment_is_not_asked_unless_a_setting_says_so(
    site: Site, proxy: ForwardProxy
) -> None:
    allowed = {"allowed_networks": (site.network,), "proxy_from_environment": False}
    async with downloading(site.port, **allowed) as downloader:
        assert await read(downloader, site.url("/a.png")) == PNG
        with pytest.raises(DownloadFailed, match="has a host whose name was not found"):
            await read(downloader, f"http://{PUBLIC}/a.png")
    assert proxy.accepted == 0


async def test_http_is_asked_of_the_proxy_which_looks_the_name_up(site: Site, proxy: ForwardProxy) -> None:
    async with downloading() as downloader:
        assert await read(downloader, f"http://{PUBLIC}/a.png") == PNG
    assert proxy.asked == [f"GET http://{PUBLIC}/a.png HTTP/1.1"]


async def test_https_goes_through_a_tunnel_and_its_certificate_is_checked(
    proxy: ForwardProxy, untrusted: Site
) -> None:
    proxy.leads_to = {f"{PUBLIC}:443": (untrusted.host, untrusted.port)}
    async with downloading() as downloader:
        with pytest.raises(DownloadFailed, match="has no valid TLS certificate"):
            await read(downloader, f"https://{PUBLIC}/a.png")
    assert proxy.asked == [f"CONNECT {PUBLIC}:443 HTTP/1.1"]
    assert untrusted.requests == []


@pytest.fixture
async def untrusted() -> AsyncIterator[Site]:
    """A site whose certificate is of an authority that nobody knows."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(PUBLIC).configure_cert(tls)
    async with web_server({"/a.png": image(PNG)}, tls=tls) as site:
        yield site


async def test_the_password_of_the_proxy_reaches_the_proxy_alone(
    site: Site, proxy: ForwardProxy, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("http_proxy", proxy.url.replace("//", "//me:secret@"))
    async with downloading() as downloader:
        await read(downloader, f"http://{PUBLIC}/a.png")
    assert proxy.authorizations == ["Proxy-Authorization: Basic bWU6c2VjcmV0"]
    (request,) = site.requests
    assert "bWU6c2VjcmV0" not in str(request)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "a.localhost.", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"),
        *("169.254.169.254", "10.0.0.1", "[64:ff9b::7f00:1]"),
    ],
)
async def test_what_a_url_itself_tells_is_refused_before_the_proxy_is_asked(
    proxy: ForwardProxy, host: str
) -> None:
    async with downloading() as downloader:
        with pytest.raises(DownloadRefused, match="may not be connected to"):
            await read(downloader, f"http://{host}/a.png")
    assert proxy.accepted == 0


async def test_so_are_other_ports_and_domains(proxy: ForwardProxy) -> None:
    async with downloading(denied_domains=("denied.test",)) as downloader:
        for url in ("http://photos.test:22/a.png", "http://www.denied.test/a.png"):
            with pytest.raises(DownloadRefused):
                await read(downloader, url)
    assert proxy.accepted == 0


async def test_so_is_a_redirect_that_the_proxy_brings(site: Site, proxy: ForwardProxy) -> None:
    site.pages["/a.png"] = redirect("http://127.1/secret.png")
    async with downloading() as downloader:
        with pytest.raises(DownloadRefused, match="may not be connected to"):
            await read(downloader, f"http://{PUBLIC}/a.png")
    assert len(proxy.asked) == 1


async def test_what_no_proxy_names_is_guarded_as_ever(
    proxy: ForwardProxy, environment: pytest.MonkeyPatch
) -> None:
    """Also where it is a name that leads to this machine, and to the proxy's own port there."""

    class Here(NoNames):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
                )
            ]

    environment.setenv("no_proxy", "inside.test")
    settings = FetchSettings(allowed_ports=(proxy.port,), proxy_from_environment=True)
    async with Downloader.create(settings, max_bytes=100_000, resolver=Here()) as downloader:
        with pytest.raises(DownloadRefused, match="may not be connected to"):
            await read(downloader, f"http://inside.test:{proxy.port}/a.png")
    assert proxy.accepted == 0


async def test_a_proxy_that_refuses_fails_the_download(proxy: ForwardProxy) -> None:
    proxy.denied = frozenset({f"{PUBLIC}:443", f"{PUBLIC}:80"})
    async with downloading() as downloader:
        with pytest.raises(DownloadFailed) as tunnel:
            await read(downloader, f"https://{PUBLIC}/a.png")
        with pytest.raises(DownloadFailed) as plain:
            await read(downloader, f"http://{PUBLIC}/a.png")
    assert tunnel.value.text == f"https://{PUBLIC}/a.png was not reached by the proxy"
    assert plain.value.text == f"http://{PUBLIC}/a.png answered 403"


async def test_a_proxy_that_is_down_may_be_up_again_and_its_address_is_not_told(
    environment: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    environment.setenv("http_proxy", f"http://127.0.0.1:{port}")
    async with downloading() as downloader:
        with pytest.raises(DownloadFailed) as caught:
            await read(downloader, f"http://{PUBLIC}/a.png")
    assert caught.value.text == f"http://{PUBLIC}/a.png was not reached by the proxy"
    assert caught.value.retryable
    assert "127.0.0.1" not in str(caught.value)
    assert str(port) not in str(caught.value)


async def test_a_silent_proxy_is_left_at_the_deadline(environment: pytest.MonkeyPatch) -> None:
    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    async with web_server({f"{PUBLIC}:443": silent}) as proxy:
        environment.setenv("https_proxy", proxy.url(""))
        async with downloading(total_timeout_s=0.3) as downloader:
            with pytest.raises(DownloadFailed, match=r"took longer than 0\.3 s"):
                await read(downloader, f"https://{PUBLIC}/a.png")
    assert len(proxy.requests) == 1


# What the operator is told.


async def gateway_with(tmp_path: Path, proxied: bool) -> tuple[list[str], list[str]]:
    """The warnings of readyz, and those of the log, of a gateway with or without the setting."""
    settings = evolve(Settings(), data_dir=tmp_path, fetch=FetchSettings(proxy_from_environment=proxied))
    with capture_logs() as lines:
        async with assembled(settings) as context:
            warnings = list(context.warnings())
    return warnings, [line["event"] for line in lines if line["log_level"] == "warning"]


async def test_a_proxy_in_use_is_told_by_readyz_and_in_the_log(tmp_path: Path, proxy: ForwardProxy) -> None:
    warnings, logged = await gateway_with(tmp_path, proxied=True)
    assert len(warnings) == 1
    assert warnings[0].startswith("downloads go by the proxy that the environment names")
    assert logged == ["downloads go by a proxy"]


async def test_a_proxy_that_is_not_in_use_is_not_told_of(tmp_path: Path, proxy: ForwardProxy) -> None:
    assert await gateway_with(tmp_path, proxied=False) == ([], [])


async def test_a_setting_that_finds_no_proxy_is_told_at_the_start(tmp_path: Path) -> None:
    warnings, logged = await gateway_with(tmp_path, proxied=True)
    assert (warnings, logged) == ([], ["settings do not fit together"])


async def test_a_proxy_that_cannot_be_used_stops_the_start(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", "socks5://me:secret@127.0.0.1:1080")
    with pytest.raises(SettingsError, match="HTTP_PROXY names no proxy that is asked by HTTP") as caught:
        await gateway_with(tmp_path, proxied=True)
    assert "secret" not in str(caught.value)


# A gateway as it runs.


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Site]:
    """A site by https, whose authority is known to who reads ca.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(PUBLIC).configure_cert(tls)
    async with web_server({"/a.jpg": image(a_jpeg(), "image/jpeg")}, tls=tls) as site:
        yield site


@pytest.mark.parametrize(("is_on", "status", "accepted"), [(True, "completed", 1), (False, "failed", 0)])
async def test_a_gateway_downloads_by_its_proxy_only_where_a_setting_says_so(
    tmp_path: Path, secure: Site, proxy: ForwardProxy, is_on: bool, status: str, accepted: int
) -> None:
    proxy.leads_to = {f"{PUBLIC}:443": (secure.host, secure.port)}
    async with (
        name_server({PUBLIC: "127.0.0.1"}) as names,
        running_gateway(
            tmp_path / "data",
            *names.asked_by_all(tmp_path),
            environment={**dict.fromkeys(VARIABLES, proxy.url), "SSL_CERT_FILE": str(tmp_path / "ca.pem")},
            fetch_proxy_from_environment=is_on,
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        job_id = await submit_json(http, gateway.base_url, [{"url": f"https://{PUBLIC}/a.jpg"}])
        async with asyncio.timeout(PATIENCE_S):
            while "completed_at" not in (job := await job_of(http, gateway.base_url, job_id)):
                await asyncio.sleep(0.05)
        _, ready = await readiness(http, gateway.base_url)
    assert job["images"][0]["status"] == status
    assert proxy.accepted == accepted
    assert len([line for line in ready["warnings"] if "proxy" in line]) == accepted
