"""By its code alone a client knows whether to come back."""

import re
from pathlib import Path

import pytest

from gateway.api.live.close_codes import CATALOGUE

DONT_COME_BACK = {1000, 1002, 1003, 1007, 1008, 1009, 1010}
"""Below 4000; of ours, those from 4500 on."""
API = Path("gateway/api")


@pytest.mark.parametrize("close", CATALOGUE.values(), ids=lambda close: str(close.code))
def test_it_keeps_to_the_rule_that_clients_are_told(close):
    expected = close.code < 4500 if close.code >= 4000 else close.code not in DONT_COME_BACK
    assert close.come_back is expected


@pytest.mark.parametrize("close", CATALOGUE.values(), ids=lambda close: str(close.code))
def test_what_it_means_is_a_sentence(close):
    assert re.fullmatch(r"[A-Z].*\.", close.meaning)


def test_each_is_of_a_range_that_a_server_may_use():
    """RFC 6455, 7.4.2; 1006 is never on the wire, and is what a client sees without a close frame."""
    assert all(1000 <= code <= 1014 or 4000 <= code <= 4999 for code in CATALOGUE)
    assert not {1004, 1005, 1015} & set(CATALOGUE)


def test_no_code_stands_anywhere_else():
    """Other modules name those of the catalogue."""
    strangers = [
        f"{path}: {line.strip()}"
        for path in API.rglob("*.py")
        if path.name not in ("close_codes.py", "client_frames.py") and "asyncapi" not in path.parts
        for line in path.read_text().splitlines()
        if re.search(r"\bclose\w*\((?:code=)?[14]\d{3}\b", line)
    ]
    assert strangers == []
