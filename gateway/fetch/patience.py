"""One download's waits for the other side: how long they may take in all, and what their failures mean."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from attrs import asdict, frozen

from gateway.cancellation import times_cancelled
from gateway.fetch.connecting.guard import ForbiddenAddress
from gateway.fetch.failures import DownloadError, DownloadFailed, DownloadRefused
from gateway.fetch.policy import FORBIDDEN_ADDRESS
from gateway.fetch.settings import FetchSettings
from gateway.fetch.urls import INVALID

_BROKEN = "broke the connection"
_BY_PROXY = "was not reached by the proxy"


@frozen
class _Meaning:
    """What the client is told of an error of the HTTP client; the numbers come from the settings."""

    error: type[Exception]
    happened: str
    retryable: bool = True


# The first that fits: aiohttp's errors are TimeoutErrors, OSErrors and ValueErrors as well.
_MEANINGS = (
    _Meaning(aiohttp.ConnectionTimeoutError, "did not accept a connection within {connect_timeout_s:g} s"),
    _Meaning(aiohttp.SocketTimeoutError, "was silent for {read_timeout_s:g} s"),
    _Meaning(TimeoutError, "took longer than {total_timeout_s:g} s"),
    _Meaning(aiohttp.ClientProxyConnectionError, _BY_PROXY),
    _Meaning(aiohttp.ClientHttpProxyError, _BY_PROXY),
    _Meaning(aiohttp.ClientConnectorCertificateError, "has no valid TLS certificate", retryable=False),
    _Meaning(aiohttp.ClientSSLError, "did not agree on TLS", retryable=False),
    _Meaning(aiohttp.ClientConnectorDNSError, "has a host whose name was not found"),
    _Meaning(aiohttp.ClientConnectorError, "did not accept a connection"),
    _Meaning(aiohttp.InvalidURL, INVALID, retryable=False),
    _Meaning(UnicodeError, INVALID, retryable=False),
    _Meaning(aiohttp.ClientResponseError, "did not answer in proper HTTP", retryable=False),
    _Meaning(Exception, _BROKEN),
)


class Patience:
    """Bounds and names the waits of the download of `url`.

    Time that our own side takes (a slow store) doesn't count: the site is not to blame for it.
    """

    def __init__(self, url: str, limits: FetchSettings) -> None:
        self._url = url
        self._limits = limits
        self._left_s = limits.total_timeout_s

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Around each wait. Raises DownloadFailed or DownloadRefused for whatever goes wrong in it."""
        loop = asyncio.get_running_loop()
        started, cancelled_before = loop.time(), times_cancelled()
        try:
            async with asyncio.timeout(self._left_s):
                yield
        except asyncio.CancelledError as error:
            # aiohttp raises it bare when a connection ends under it; only a counted one is meant for us.
            if times_cancelled() > cancelled_before:
                raise
            raise DownloadFailed(self._url, _BROKEN, detail=_shown(error), retryable=True) from error
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise self._named(error) from error
        finally:
            self._left_s -= loop.time() - started

    def _named(self, error: Exception) -> DownloadError:
        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ForbiddenAddress):
            return DownloadRefused(self._url, FORBIDDEN_ADDRESS)
        meaning = next(meaning for meaning in _MEANINGS if isinstance(error, meaning.error))
        happened = meaning.happened.format_map(asdict(self._limits))
        return DownloadFailed(self._url, happened, detail=_shown(error), retryable=meaning.retryable)


def _shown(error: BaseException) -> str:
    """For the log: no texts of errors, for these hold addresses, URLs with their queries, and bodies."""
    kind = type(error).__name__
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{kind}: {error.status}"
    number = error.os_error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
    name = errno.errorcode.get(number or 0)
    return f"{kind}: {name}" if name else kind
