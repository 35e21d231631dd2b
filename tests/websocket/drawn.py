"""Frames as hypothesis draws them, mostly right ones, and what RFC 6455 makes of any row of them."""

from collections.abc import Sequence

from attrs import define, field, frozen
from hypothesis import strategies as st

from tests.websocket.cases import INVALID_TEXT, MAX_MESSAGE, PROTOCOL_ERROR, TOO_BIG, Expected
from tests.websocket.frames import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, Opcode, frame

_LONGEST_OF_CONTROL = 125


@frozen
class Sent:
    """A frame of a client."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    key: bytes | None = KEY
    more_length_bytes: bool = False
    """Its length is told in eight bytes, which are never needed here."""

    @property
    def bytes(self) -> bytes:
        return frame(
            self.opcode,
            self.payload,
            fin=self.fin,
            rsv=self.rsv,
            key=self.key,
            length_bytes=8 if self.more_length_bytes else None,
        )

    @property
    def is_control(self) -> bool:
        return self.opcode & 0x8 != 0

    @property
    def is_wrong_by_itself(self) -> bool:
        return (
            self.rsv != 0
            or self.key is None
            or self.more_length_bytes
            or self.opcode not in list(Opcode)
            or (self.is_control and (not self.fin or len(self.payload) > _LONGEST_OF_CONTROL))
        )


def of_control(opcode: int) -> st.SearchStrategy[Sent]:
    return st.builds(Sent, st.just(opcode), st.binary(max_size=_LONGEST_OF_CONTROL))


def of_data(opcode: int, payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[Sent]:
    return st.builds(Sent, st.just(opcode), payloads, st.booleans())


TEXTS = st.one_of(
    st.text(max_size=50).map(str.encode),
    st.binary(max_size=4),  # mostly none, or a part of one
    st.sampled_from([b"*" * 2000, b"*" * (MAX_MESSAGE - 1), "ö".encode() * 700]),
)
CODES = st.one_of(st.sampled_from([1000, 1001, 3000, 4999]), st.integers(0, 2**16 - 1))
CLOSES = st.one_of(
    st.just(Sent(CLOSE)),
    st.builds(
        lambda code, reason: Sent(CLOSE, code.to_bytes(2, "big") + reason), CODES, st.binary(max_size=3)
    ),
    of_control(CLOSE),
)
LIKELY = st.one_of(
    of_data(TEXT, TEXTS),
    of_data(BINARY, st.binary(max_size=300)),
    of_data(CONTINUATION, TEXTS),
    of_data(CONTINUATION, TEXTS),
    of_control(PING),
    of_control(PONG),
)
WRONG = st.builds(
    Sent,
    st.integers(0, 15),
    st.binary(max_size=130),
    st.booleans(),
    st.integers(0, 7),
    st.sampled_from([KEY, bytes(4), None]),
    st.booleans(),
)
ROWS = st.builds(
    lambda likely, last: [*likely, *last],
    st.lists(LIKELY, max_size=12),
    st.one_of(st.just([]), st.lists(st.one_of(CLOSES, WRONG), min_size=1, max_size=2)),
)


def expected_of(row: Sequence[Sent]) -> Expected:
    """A message is looked at once it is whole, as section 8.1 leaves open."""
    listener = _Listener()
    for sent in row:
        if codes := listener.codes_after(sent):
            return Expected(codes, tuple(listener.pongs), is_goodbye=listener.is_goodbye)
    return Expected(pongs=tuple(listener.pongs))


@define
class _Listener:
    pongs: list[bytes] = field(factory=list)
    is_goodbye: bool = False
    _opcode: int | None = None
    """Of the message in whose midst it is."""
    _message: bytes = b""

    def codes_after(self, sent: Sent) -> frozenset[int]:
        """By which the connection may be closed; none where it goes on."""
        if sent.is_wrong_by_itself:
            return frozenset((PROTOCOL_ERROR,)) | self._too_big(sent)
        if sent.opcode == CLOSE:
            return self._after_close(sent.payload)
        if sent.opcode == PING:
            self.pongs.append(sent.payload)
        return frozenset() if sent.is_control else self._after_data(sent)

    def _too_big(self, sent: Sent) -> frozenset[int]:
        is_so = len(self._message) + len(sent.payload) >= MAX_MESSAGE
        return frozenset((TOO_BIG,)) if is_so and not sent.is_control else frozenset()

    def _after_close(self, payload: bytes) -> frozenset[int]:
        code, reason = int.from_bytes(payload[:2], "big"), payload[2:]
        if len(payload) == 1 or (payload and not _may_be_sent(code)):
            return frozenset((PROTOCOL_ERROR,)) | (frozenset() if _is_text(reason) else {INVALID_TEXT})
        if not _is_text(reason):
            return frozenset((INVALID_TEXT, PROTOCOL_ERROR))
        self.is_goodbye = True
        return frozenset((1000, code)) if payload else frozenset((1000, 1005))

    def _after_data(self, sent: Sent) -> frozenset[int]:
        if (sent.opcode == CONTINUATION) != (self._opcode is not None):
            return frozenset((PROTOCOL_ERROR,)) | self._too_big(sent)
        if too_big := self._too_big(sent):
            return too_big
        self._opcode = sent.opcode if self._opcode is None else self._opcode
        self._message += sent.payload
        return self._after_message() if sent.fin else frozenset()

    def _after_message(self) -> frozenset[int]:
        is_right = self._opcode == BINARY or _is_text(self._message)
        self._opcode, self._message = None, b""
        return frozenset() if is_right else frozenset((INVALID_TEXT,))


def _may_be_sent(code: int) -> bool:
    return code in {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
