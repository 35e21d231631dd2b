"""What settings of adapters refuse, and what they stand for."""

from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.broker.settings import BrokerSettings
from gateway.adapters.object_store.settings import ObjectStoreSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "tape"}, {"original_bucket": ".."}, {"original_bucket": "a/b"}, {"processed_bucket": ""},
        {"processed_bucket": ".tmp"}, {"original_bucket": "processed"}, {"timeout_s": 0}, {"threads": 0},
    ],
    ids=str,
)  # fmt: skip
def test_an_object_store_of_wrong_settings_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        ObjectStoreSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pigeon"}, {"prefetch": 0}, {"max_messages_per_queue": 0}, {"max_parked_messages": 0},
        {"publish_timeout_s": 0},
    ],
    ids=str,
)  # fmt: skip
def test_a_broker_of_wrong_settings_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        BrokerSettings(**wrong)


def test_objects_lie_in_the_data_directory_unless_a_path_is_set() -> None:
    assert ObjectStoreSettings().folder(Path("/data")) == Path("/data/objects")
    assert ObjectStoreSettings(path="/elsewhere").folder(Path("/data")) == Path("/elsewhere")
