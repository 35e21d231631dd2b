"""The environment of tests, which may name proxies of the machine that they run on."""

import os

import pytest


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
