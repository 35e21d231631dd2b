"""What the header Idempotency-Key may be, and which key it spells."""

import pytest

from gateway.api.idempotency import BadIdempotencyKey, read_key

UUID = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (f'"{UUID}"', UUID),
        (UUID, UUID),
        ('"a"', "a"),
        ('"two words, and a comma"', "two words, and a comma"),
        ("two words, and a comma", "two words, and a comma"),
        (r'"a \"quoted\" \\ one"', r'a "quoted" \ one'),
        (r'a "quoted" \ one', r'a "quoted" \ one'),
        ('"' + "k" * 255 + '"', "k" * 255),
        ("k" * 255, "k" * 255),
        ('"' + r"\"" * 255 + '"', '"' * 255),
    ],
)
def test_a_string_and_the_bare_text_spell_the_same_key(value: str, key: str) -> None:
    assert read_key(value) == key


@pytest.mark.parametrize(
    "value",
    [
        "",
        '""',
        '"',
        '"a',
        '"a"b',
        '"a" ',
        '"a", "b"',
        '"a";p=1',
        r'"a\b"',
        '"a\\"',
        "a\tb",
        '"a\tb"',
        "a\x00",
        "a\x7f",
        "a\n",
        "schlüssel",
        '"schlüssel"',
        "\udcff",
        "k" * 256,
        '"' + "k" * 256 + '"',
    ],
    ids=repr,
)
def test_what_spells_no_key_is_refused(value: str) -> None:
    with pytest.raises(BadIdempotencyKey) as caught:
        read_key(value)
    assert caught.value.code == "bad_idempotency_key"
