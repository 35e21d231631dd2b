"""Messages sent on one channel, and what the broker says of each: a confirm, a nack, or the message itself again.

What is published in one turn of the loop goes out together. A message whose publisher no longer waits is sent all the
same: its number is taken.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from aiormq import Channel
from attrs import define, field

from gateway.adapters.broker.rabbitmq.errors import ConnectionLost, Nacked, Returned, lost, reason_of
from gateway.adapters.broker.rabbitmq.frames import (
    ACK,
    CHANNEL_CLOSE,
    METHOD,
    NACK,
    RETURN,
    Content,
    ContentReader,
    confirmed_tag_and_multiple,
    content_frames,
    message_id_in,
    publish_frame,
    reply_text_in,
)
from gateway.adapters.broker.rabbitmq.transport import Transport

_NAME_CHARS: Final = 16


@define(eq=False)
class ConfirmingChannel:
    """Lives and dies with aiormq's channel, on which confirms are on and nothing else is published."""

    _channel: Channel
    _transport: Transport
    _name: str = field(init=False, factory=lambda: uuid4().hex[:_NAME_CHARS])
    """Begins the ids of its messages: what comes back is known by its id alone."""
    _next_tag: int = field(init=False, default=1)
    _is_ending: bool = field(init=False, default=False)
    """The broker ends the channel; aiormq has not read that yet. What went out now would end the connection."""
    _unsent: list[bytes] = field(init=False, factory=list)
    _waiting: dict[int, "asyncio.Future[None]"] = field(init=False, factory=dict)
    """By tag; tags only grow, so the oldest come first."""
    _publish_frames: dict[str, bytes] = field(init=False, factory=dict)
    _returns: ContentReader = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._returns = ContentReader(RETURN, self._take_back)
        self._transport.divert(self._channel.number, self._take)
        self._channel.closing.add_done_callback(self._end)

    @property
    def is_alive(self) -> bool:
        return not (self._is_ending or self._channel.is_closed)

    def is_of(self, transport: Transport) -> bool:
        return self._transport is transport

    async def publish(self, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """Returns at the confirm. Raises Nacked, Returned, ConnectionLost. It has no deadline of its own."""
        await self._transport.room()
        if not self.is_alive:
            raise lost("the channel is closed")
        tag = self._next_tag
        message = self._message(tag, routing_key, body, headers)
        self._next_tag += 1  # not before nothing can fail any more: the broker counts what it gets
        loop = asyncio.get_running_loop()
        confirm = self._waiting[tag] = loop.create_future()
        if not self._unsent:
            loop.call_soon(self._send)
        self._unsent.append(message)
        await confirm

    def _message(self, tag: int, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> bytes:
        number = self._channel.number
        method = self._publish_frames.get(routing_key)
        if method is None:
            method = self._publish_frames[routing_key] = publish_frame(number, routing_key)
        largest = self._channel.connection.connection_tune.frame_max
        message_id = f"{self._name}{tag:016x}".encode()
        return method + content_frames(number, body, headers, message_id, largest)

    def _send(self) -> None:
        frames = b"".join(self._unsent)
        self._unsent.clear()
        try:
            if self.is_alive:
                self._transport.send(frames)
        except ConnectionLost as error:
            self._fail_all(error.detail)

    def _take(self, kind: int, payload: bytes) -> bool:
        if kind == METHOD and payload.startswith((ACK, NACK)):
            tag, multiple = confirmed_tag_and_multiple(payload)
            is_nack = payload.startswith(NACK)
            for confirmed in self._until(tag) if multiple else [tag]:
                self._settle(confirmed, Nacked() if is_nack else None)
            return True
        if kind == METHOD and payload.startswith(CHANNEL_CLOSE):
            self._is_ending = True
        return self._returns.take(kind, payload)

    def _until(self, tag: int) -> list[int]:
        """All, if it is 0."""
        found: list[int] = []
        for waiting in self._waiting:
            if tag and waiting > tag:
                break
            found.append(waiting)
        return found

    def _take_back(self, content: Content) -> None:
        """Its confirm follows, which finds nobody waiting."""
        message_id = message_id_in(content.header)
        if message_id.startswith(self._name):
            self._settle(int(message_id[_NAME_CHARS:], 16), Returned(reply_text_in(content.method)))

    def _settle(self, tag: int, error: Exception | None) -> None:
        confirm = self._waiting.pop(tag, None)
        if confirm is None or confirm.done():
            return
        if error is None:
            confirm.set_result(None)
        else:
            confirm.set_exception(error)

    def _end(self, closing: "asyncio.Future[Any]") -> None:
        self._transport.restore(self._channel.number, self._take)
        error = None if closing.cancelled() else closing.exception()
        self._fail_all(reason_of(error) if error else "closed")

    def _fail_all(self, reason: str) -> None:
        for tag in list(self._waiting):
            self._settle(tag, lost(reason))
