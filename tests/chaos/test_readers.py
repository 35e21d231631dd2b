"""That a reader complains of what it must not be told."""

import random
from typing import cast

import pytest
from attrs import define, field

from tests.chaos.battle import Battle
from tests.chaos.readers import Reader
from tests.chaos.records import BROKEN, Records, Sent

GOOD = Sent("a.jpg", b"a picture")
BAD = Sent("b.jpg", BROKEN)


@define
class Listening:
    """What a reader has of a battle."""

    records: Records = field(factory=Records)


@pytest.mark.parametrize(
    ("sent", "status", "content", "is_well"),
    [
        (GOOD, 200, GOOD.content, True),
        (GOOD, 200, b"a pict", False),
        (GOOD, 200, b"", False),
        (GOOD, 503, b"", True),
        (GOOD, 409, b"", True),
        (GOOD, 404, b"", False),
        (GOOD, 500, b"", False),
        (BAD, 404, b"", True),
        (BAD, 200, BROKEN, False),
    ],
)
def test_other_bytes_and_wrong_answers_are_told(
    sent: Sent, status: int, content: bytes, is_well: bool
) -> None:
    battle = Listening()
    reader = Reader(cast(Battle, battle), random.Random(1))
    reader.judge("http://gateway/image", sent, status, content)
    assert (battle.records.wrong == []) is is_well
