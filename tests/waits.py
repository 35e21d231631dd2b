"""Why a call of the Python client has had to wait, as `on_wait` tells it."""

import asyncio

from gateway.client import ClientError


class Waits:
    """Give it as `on_wait`."""

    def __init__(self) -> None:
        self.reasons: list[ClientError] = []
        self.some = asyncio.Event()

    def __call__(self, reason: ClientError) -> None:
        self.reasons.append(reason)
        self.some.set()
