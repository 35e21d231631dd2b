"""Processes beside the one that measures: a server, or its clients. Each does what it is asked, one thing at a time."""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, Final, Self

PATIENCE_S: Final = 60

Orders = Mapping[str, Callable[..., Awaitable[object]]]


class Worker:
    """A process at the other end of a pipe, for as long as the context lasts."""

    def __init__(self, work: Callable[[Connection], None]) -> None:
        """`work` reads orders from its pipe, a name and arguments each, and sends an answer to each."""
        self._pipe, self._theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=work, args=(self._theirs,), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # so that its end shows as the end of the pipe
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def ask(self, order: str, *arguments: object) -> Any:
        """The answer, once the order has been carried out. Raises EOFError when the process has ended."""
        self.tell(order, *arguments)
        return self.answer()

    def tell(self, order: str, *arguments: object) -> None:
        """Do not wait for it: somebody else has something to do meanwhile."""
        self._pipe.send((order, *arguments))

    def answer(self) -> Any:
        """To the eldest order that has none yet."""
        if not self._pipe.poll(PATIENCE_S):
            raise TimeoutError("no answer")
        return self._pipe.recv()


async def follow(pipe: Connection, orders: Orders) -> None:
    """Carry out what comes, until the other end of the pipe is closed."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[tuple[Any, ...] | None] = asyncio.Queue()

    def take() -> None:
        try:
            arrived.put_nowait(pipe.recv())
        except EOFError:
            loop.remove_reader(pipe.fileno())
            arrived.put_nowait(None)

    loop.add_reader(pipe.fileno(), take)
    while (order := await arrived.get()) is not None:
        name, *arguments = order
        pipe.send(await orders[name](*arguments))
