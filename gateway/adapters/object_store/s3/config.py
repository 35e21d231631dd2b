"""aiobotocore's client as we want it: by our settings alone, and with deadlines.

Its defaults read the environment and `~/.aws`, ask proxies, wait without limit and break S3 look-alikes over TLS.
"""

import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiohttp import AddrInfoType
from attrs import frozen
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.handlers import add_expect_header
from botocore.loaders import create_loader

from gateway.adapters.object_store.settings import ObjectStoreSettings

USER_AGENT: Final = "batch-gateway"


class Redirected(OSError):
    """Not S3 itself has answered, but whoever it, or something before it, pointed at."""


@frozen
class Connected:
    """The library's S3 client, its configuration, and its pool of connections."""

    client: Any
    config: AioConfig
    connections: AIOHTTPSession


@asynccontextmanager
async def connected(settings: ObjectStoreSettings) -> AsyncIterator[Connected]:
    """Connects nowhere yet."""
    pools: list[AIOHTTPSession] = []

    class Pool(AIOHTTPSession):  # type: ignore[misc]
        """The one that the client makes for itself."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            pools.append(self)

        async def send(self, request: Any) -> Any:
            """aiohttp follows redirects, unsigned and perhaps as a GET: then another one answers, or another thing."""
            answer = await super().send(request)
            if answer.raw.history:
                answer.raw.close()
                raise Redirected(f"redirected to {answer.raw.url.origin()}")
            return answer

    config = _config(settings, Pool)
    making = _session().create_client(
        "s3",
        endpoint_url=endpoint_url(settings),
        region_name=settings.region,
        verify=_certificates(settings),
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=config,
    )
    async with making as client:
        yield Connected(client, config, pools[0])


def endpoint_url(settings: ObjectStoreSettings) -> str:
    """In small letters, for so botocore signs the host whatever is sent."""
    return f"{'https' if settings.tls else 'http'}://{settings.endpoint.lower()}"


def _certificates(settings: ObjectStoreSettings) -> str | bool:
    """A file of those to trust; True: botocore's own, where the system has none. Without TLS none are loaded."""
    return settings.tls and (settings.ca_file or ssl.get_default_verify_paths().cafile or True)


def _session() -> AioSession:
    """One that reads no variable of the environment and no file of `~/.aws`."""
    variables = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    nowhere = (None, None, os.devnull, None)
    session = AioSession(session_vars={**variables, "config_file": nowhere, "credentials_file": nowhere})
    # An answer to "Expect: 100-continue" is waited for without limit.
    session.unregister("before-call.s3", add_expect_header)
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> Any:
    """Reads what S3 is from botocore's files, once however many clients are made: 50 ms."""
    return create_loader()


def _new_socket(timeout_s: float, address: AddrInfoType) -> socket.socket:
    """One that the kernel gives up once the other side takes nothing for that long.

    A body that was cancelled halfway would hold it until then: its last bytes are still to be sent.
    """
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout_s * 1000))
    return made


def _config(settings: ObjectStoreSettings, pool: type[AIOHTTPSession]) -> AioConfig:
    return AioConfig(
        http_session_cls=pool,
        connector_args={"socket_factory": partial(_new_socket, settings.timeout_s)},
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        # Otherwise bodies are sent over TLS as aws-chunked, without a Content-Length: not every S3 takes them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.read_timeout_s,
        max_pool_connections=settings.connections,
        retries={"mode": "standard", "total_max_attempts": settings.attempts},
        proxies={},
        user_agent=USER_AGENT,  # botocore would put a long one together for each request
    )
