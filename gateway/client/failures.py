"""The many ways in which aiohttp says that nothing answers, in our words."""

import os
from typing import Final

import aiohttp

from gateway.client.errors import NotConnected, Unreachable

CONNECT_S: Final = 10.0

FAILURES: Final = (aiohttp.ClientError, TimeoutError, ConnectionError)


def failure(error: Exception, address: str, silence_s: float) -> Unreachable:
    """What one of FAILURES means; `silence_s` is how long an answer was waited for."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotConnected(f"no gateway answers at {address}: no connection within {in_seconds(CONNECT_S)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return NotConnected(f"no gateway answers at {address}: {_why_not_connected(error)}")
    if isinstance(error, TimeoutError):
        return Unreachable(silent(address, silence_s))
    return Unreachable(_what_it_did(error, address))


def silent(address: str, silence_s: float) -> str:
    return f"the gateway at {address} has said nothing for {in_seconds(silence_s)}"


def in_seconds(seconds: float) -> str:
    """With two digits that count, be it ever so short."""
    return f"{float(f'{seconds:.2g}'):g} s"


def _why_not_connected(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        told = error.certificate_error
        why = getattr(told, "verify_message", "") or told
        return f"its certificate is not trusted ({why}); SSL_CERT_FILE names the file of those that are"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"it speaks no TLS that this client knows ({error.os_error.strerror or error.os_error})"
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.os_error.strerror or str(error.os_error)


def _what_it_did(error: Exception, address: str) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        return f"the gateway at {address} closed the connection"
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"the gateway at {address} broke off its answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"what answers at {address} speaks no HTTP that this client knows"
    # Not by its own text, which may have the address with its password.
    return f"the gateway at {address} does not answer: {type(error).__name__}"
