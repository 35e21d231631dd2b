"""The bytes to and from a broker: how its name becomes a socket, TLS, and the end of a connection that hangs.

Names are looked up by c-ares, not by getaddrinfo, which can't be cancelled: a name server that hangs must not hold up
a stop. The writer is kept, so that `abort` turns every wait on the connection into an error at once, and frames of ours
go between those of aiormq.
"""

import asyncio
import ipaddress
import socket
import ssl
from typing import Any, Final

from aiohttp.abc import AbstractResolver
from aiormq import TransportFactory
from attrs import define, field
from yarl import URL

from gateway.adapters.broker.rabbitmq.address import Address
from gateway.adapters.broker.rabbitmq.errors import losses_told, lost
from gateway.adapters.broker.rabbitmq.tap import Divider, Taker, Tap

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_MUCH_UNREAD: Final = 64 * 1024
"""Bytes: the mark from which asyncio, too, holds up who waits for room."""


@define(eq=False)
class Transport(TransportFactory):
    """Opens one connection, for aiormq to speak over. Raises OSError, ssl.SSLError among them."""

    _address: Address
    _resolver: AbstractResolver
    _ca_file: str
    _timeout_s: float
    _writer: asyncio.StreamWriter | None = field(init=False, default=None)
    _divider: Divider = field(init=False, factory=lambda: Divider(asyncio.get_running_loop().time))

    async def create(self, url: URL, **_: Any) -> Streams:
        context = await asyncio.to_thread(self._trust) if self._address.is_tls else None
        addresses = await self._look_up()
        share_s = self._timeout_s / len(addresses)
        trouble: OSError = OSError("the host name has no address")
        for address in addresses:
            try:
                async with asyncio.timeout(share_s):
                    reader, self._writer = await self._open(address, context)
            except OSError as error:  # a TimeoutError, too
                trouble = error
            else:
                return reader, self._writer
        raise trouble

    @property
    def was_open(self) -> bool:
        """Whether there ever was a connection."""
        return self._writer is not None

    def abort(self) -> None:
        """End it now, without a word to the other side."""
        if self._writer is not None:
            self._writer.transport.abort()

    def send(self, frames: bytes) -> None:
        """Whole frames, between those of aiormq; whoever sends much has waited for `room`. Raises ConnectionLost."""
        if self._writer is None or self._writer.is_closing():
            raise lost("closed")
        self._writer.write(frames)

    async def room(self) -> None:
        """Once the other side has read most of what was sent, or will read no more, which `send` tells.

        Raises ConnectionLost; has no deadline of its own.
        """
        writer = self._writer
        if writer is not None and writer.transport.get_write_buffer_size() > _MUCH_UNREAD:
            with losses_told():
                await writer.drain()

    def agree(self, frame_max: int) -> None:
        """The handshake's largest frame; 0 means any."""
        self._divider.agree(frame_max)

    def divert(self, channel: int, taker: Taker) -> None:
        """From now on it is asked first for what comes on that channel."""
        self._divider.divert(channel, taker)

    def restore(self, channel: int, taker: Taker) -> None:
        """It is asked no more."""
        self._divider.restore(channel, taker)

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file or None)
        except (OSError, ValueError) as error:
            raise OSError(f"the file of trusted certificates can't be read: {error}") from error

    async def _look_up(self) -> list[str]:
        """One attempt for each address; all of them in the order of the name server."""
        host = self._address.host
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            found = await self._resolver.resolve(host, self._address.port, family=socket.AF_UNSPEC)
        except OSError as error:
            raise OSError(f"the host name {host} can't be found") from error
        return [entry["host"] for entry in found]

    async def _open(self, address: str, context: ssl.SSLContext | None) -> Streams:
        """As asyncio.open_connection does, with the tap in place of its protocol."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        tap = Tap(reader, self._divider)
        transport, _ = await loop.create_connection(
            lambda: tap,
            address,
            self._address.port,
            ssl=context,
            server_hostname=self._address.host if context else None,
        )
        return reader, asyncio.StreamWriter(transport, tap, reader, loop)
