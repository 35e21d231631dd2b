"""tests.benchmarks: what the subscribers of a benchmark read from a WebSocket, and how delays are reckoned."""

import pytest

from tests.benchmarks.delays import Delays
from tests.benchmarks.server_frames import KEY, PING, TEXT, ServerFrames, accept_key, masked_frame, text_frame

MESSAGES = (b"", b"x" * 125, b"y" * 126, b"z" * 70_000)


@pytest.mark.parametrize("piece", [1, 3, 4096, 1 << 20])
def test_messages_of_any_length_are_read_however_they_are_cut(piece: int) -> None:
    sent = b"".join(map(text_frame, MESSAGES))
    frames = ServerFrames()
    read: list[tuple[int, bytes]] = []
    for start in range(0, len(sent), piece):
        read += frames.of(sent[start : start + piece])
    assert read == [(TEXT, message) for message in MESSAGES]


def test_a_key_is_accepted_as_the_rfc_shows() -> None:
    assert accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_client_masks_its_frames() -> None:
    assert masked_frame(PING, b"hi") == bytes((0x89, 0x82, 0, 0, 0, 0)) + b"hi"


def test_a_delay_counts_from_the_commit_of_that_event_of_the_job_that_is_followed() -> None:
    committed = {(0, 7): 10.0, (1, 7): 20.0}
    arrived = ([0, 1, 2], [7, 7, 7], [10.1, 20.2, 10.3])
    assert Delays.of(committed, arrived, jobs=2).seconds == pytest.approx([0.1, 0.2, 0.3])
