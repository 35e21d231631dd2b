"""Frames of AMQP 0-9-1 (section 4.2) that carry messages: made, taken apart, and read as far as we need them.

aiormq makes and reads every frame by general means, a task and several waits for each, which costs more than all that
we do with a message. So the frames of messages are made and read here; all others are aiormq's.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field, frozen
from pamqp import encode
from pamqp.header import ContentHeader

from gateway.adapters.broker.rabbitmq.lenient import read_table

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
"""Kinds of frames; there are no others."""
FRAME_END: Final = 0xCE
FRAME_HEAD: Final = struct.Struct(">BHI")
"""Kind, channel, and the size of what follows, without the octet at its end."""
OVERHEAD: Final = FRAME_HEAD.size + 1

PUBLISH, RETURN, DELIVER, ACK, NACK = (struct.pack(">HH", 60, number) for number in (40, 50, 60, 80, 120))
"""Class and method, with which a method frame begins (section 1.8.3; confirms are RabbitMQ's own)."""
CHANNEL_CLOSE: Final = struct.pack(">HH", 20, 40)
LARGEST_BODY: Final = 512 * 1024 * 1024
"""RabbitMQ takes no larger message, whatever its settings."""

_MANDATORY: Final = 0b01
_PERSISTENT: Final = 2
_TYPE_FLAG, _ENCODING_FLAG, _HEADERS_FLAG, _MODE_FLAG, _ID_FLAG = (1 << bit for bit in (15, 14, 13, 12, 7))
_CONTENT_HEAD: Final = struct.Struct(">HHQH")
"""Class, weight, size of the body, and which properties follow."""
_BESIDE_HEADERS: Final = 512
"""Room for all else in a header frame of ours: a short text is at most 255 bytes."""
_JSON: Final = b"\x10application/json"
_TAG: Final = struct.Struct(">Q")


@frozen(eq=False)
class Content:
    """One message as it came: the payloads of its method and header frames, and its body."""

    method: bytes
    header: bytes
    body: bytes


@define(eq=False)
class ContentReader:
    """Puts together what comes on one channel in frames: messages that begin with `method`.

    A method frame in the middle of a message is its end (section 4.2.6): the rest of it will not come.
    """

    _method: bytes
    _on_content: Callable[[Content], None]
    _begun: bytes | None = field(init=False, default=None)
    _header: bytes = field(init=False, default=b"")
    _bodies: list[bytes] = field(init=False, factory=list)
    _missing: int = field(init=False, default=0)

    def take(self, kind: int, payload: bytes) -> bool:
        """Whether the frame belongs to such a message. Raises ValueError or struct.error: it can't be read."""
        if kind == METHOD:
            self._begin(payload if payload.startswith(self._method) else None)
            return self._begun is not None
        if self._begun is None:
            return False
        if kind == HEADER and not self._header:
            self._header = payload
            self._missing = _CONTENT_HEAD.unpack_from(payload)[2]
            if self._missing > LARGEST_BODY:
                raise ValueError(f"a message of {self._missing} bytes")
        elif kind == BODY and self._header and 0 < len(payload) <= self._missing:
            self._bodies.append(payload)
            self._missing -= len(payload)
        else:
            raise ValueError("a frame that does not belong where it is")
        if not self._missing:
            self._hand_on(self._begun)
        return True

    def _begin(self, method: bytes | None) -> None:
        self._begun = method
        self._header = b""
        self._bodies.clear()

    def _hand_on(self, method: bytes) -> None:
        body = self._bodies[0] if len(self._bodies) == 1 else b"".join(self._bodies)
        content = Content(method, self._header, body)
        self._begin(None)
        self._on_content(content)


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"%b%b\xce" % (FRAME_HEAD.pack(kind, channel, len(payload)), payload)


def publish_frame(channel: int, routing_key: str) -> bytes:
    """To the default exchange; mandatory, so that a message for a queue that is not there comes back."""
    key = routing_key.encode()
    payload = b"%b\x00\x00\x00%c%b%c" % (PUBLISH, len(key), key, _MANDATORY)
    return frame(METHOD, channel, payload)


def content_frames(
    channel: int, body: bytes, headers: Mapping[str, Any], message_id: bytes, largest: int
) -> bytes:
    """A persistent message of JSON; no frame of it is larger than `largest` bytes, of which 0 means any.

    Headers that do not fit in one are left out: for such a frame the broker would end the connection, each time.
    """
    flags = _TYPE_FLAG | _MODE_FLAG | _ID_FLAG
    table = encode.field_table(dict(headers)) if headers else b""
    if largest and len(table) > largest - _BESIDE_HEADERS:
        table = b""
    if table:
        flags |= _HEADERS_FLAG
    head = _CONTENT_HEAD.pack(60, 0, len(body), flags)
    header = b"%b%b%b%c%c%b" % (head, _JSON, table, _PERSISTENT, len(message_id), message_id)
    step = largest - OVERHEAD if largest else len(body) or 1
    bodies = [frame(BODY, channel, body[start : start + step]) for start in range(0, len(body), step)]
    return b"".join([frame(HEADER, channel, header), *bodies])


def delivery_tag_and_redelivered(deliver: bytes) -> tuple[int, bool]:
    """Of the payload of a `basic.deliver`: they stand behind the name of the consumer."""
    at = 5 + deliver[4]
    return _TAG.unpack_from(deliver, at)[0], bool(deliver[at + 8] & 1)


def confirmed_tag_and_multiple(confirm: bytes) -> tuple[int, bool]:
    """Of the payload of a `basic.ack` or `basic.nack`. Several with the tag 0 are all."""
    return _TAG.unpack_from(confirm, 4)[0], bool(confirm[12] & 1)


def headers_in(header: bytes) -> Mapping[str, Any]:
    """The headers of a message, of the payload of its header frame; what can't be read of them is left out."""
    flags = _CONTENT_HEAD.unpack_from(header)[3]
    if not flags & _HEADERS_FLAG:
        return {}
    at = _CONTENT_HEAD.size
    for flag in (_TYPE_FLAG, _ENCODING_FLAG):  # texts that stand before
        if flags & flag:
            at += 1 + header[at]
    headers: Mapping[str, Any] = read_table(header[at:])[1]
    return headers


def message_id_in(header: bytes) -> str:
    """Of a message of ours that came back."""
    properties = ContentHeader()
    properties.unmarshal(header)
    return str(properties.properties.message_id)


def reply_text_in(returned: bytes) -> str:
    """Of the payload of a `basic.return`: why it came back."""
    return returned[7 : 7 + returned[6]].decode(errors="replace")
