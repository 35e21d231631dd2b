"""What a connection holds for a caller who is at work with an earlier frame."""

import asyncio
import json
from contextlib import nullcontext
from typing import Any

from aiohttp import WSMessage, WSMsgType
from attrs import define

from gateway.client.websocket import HELD_FRAMES, WebSocket

MANY = 10 * HELD_FRAMES


@define
class Talkative:
    """A socket from which the next message comes at once, and one after another."""

    taken: int = 0

    async def receive(self) -> WSMessage:
        await asyncio.sleep(0)
        self.taken += 1
        return WSMessage(WSMsgType.TEXT, json.dumps({"number": self.taken}), None)

    async def close(self) -> None:
        pass


def websocket(socket: Any) -> WebSocket:
    return WebSocket(socket, "http://a", lambda _: nullcontext())


async def turns_of_the_loop(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_no_more_frames_are_taken_than_may_be_held():
    socket = Talkative()
    async with websocket(socket).listening():
        await turns_of_the_loop(4 * MANY)
        assert socket.taken == HELD_FRAMES + 1  # one more waits for its place


async def test_all_that_were_held_come_in_their_order():
    async with websocket(Talkative()).listening() as listening:
        await turns_of_the_loop(4 * MANY)
        frames = listening.frames()
        assert [(await anext(frames))["number"] for _ in range(MANY)] == list(range(1, MANY + 1))
