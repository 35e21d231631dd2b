"""An object store, measured: once around the port, not in each adapter."""

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from time import perf_counter

from attrs import define, evolve, field

from gateway.errors import NoRoom, Unavailable
from gateway.ports.object_store import ObjectKey, ObjectReader, ObjectStore, StoredObject
from gateway.telemetry.metrics import ObjectStoreMetrics


@define(eq=False)
class MeasuredObjectStore:
    """An ObjectStore. What it does not find or refuses is no failure of the store."""

    _store: ObjectStore
    _metrics: ObjectStoreMetrics

    @property
    def warnings(self) -> Sequence[str]:
        return self._store.warnings

    @property
    def put_bytes(self) -> int:
        return self._store.put_bytes

    async def put(
        self, key: ObjectKey, body: AsyncIterable[bytes], *, media_type: str, max_bytes: int
    ) -> StoredObject:
        arriving = _Arriving(body)
        begun = perf_counter()
        with self._failures_counted("put"):
            try:
                return await self._store.put(
                    key, arriving.chunks(), media_type=media_type, max_bytes=max_bytes
                )
            finally:
                self._metrics.seconds.of(operation="put").observe(perf_counter() - begun - arriving.waited_s)

    @asynccontextmanager
    async def open(
        self, key: ObjectKey, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[ObjectReader]:
        async with AsyncExitStack() as stack:
            with self._measured("get"):
                reader = await stack.enter_async_context(self._store.open(key, start=start, end=end))
            yield evolve(reader, chunks=self._watched(reader.chunks))

    async def head(self, key: ObjectKey) -> StoredObject:
        with self._measured("head"):
            return await self._store.head(key)

    async def delete(self, key: ObjectKey) -> None:
        with self._measured("delete"):
            await self._store.delete(key)

    async def check(self) -> str:
        return await self._store.check()

    async def _watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """They come as fast as whoever reads wants them: not timed, but their failures count."""
        with self._failures_counted("get"):
            async for chunk in chunks:
                yield chunk

    @contextmanager
    def _measured(self, operation: str) -> Iterator[None]:
        with self._failures_counted(operation), self._metrics.seconds.of(operation=operation).timed():
            yield

    @contextmanager
    def _failures_counted(self, operation: str) -> Iterator[None]:
        try:
            yield
        except (Unavailable, NoRoom):
            self._metrics.failures.of(operation=operation).add()
            raise


@define(eq=False)
class _Arriving:
    """A body on its way; how slow its sender is, the store can't help."""

    _body: AsyncIterable[bytes]
    waited_s: float = field(init=False, default=0.0)

    async def chunks(self) -> AsyncIterator[bytes]:
        body = aiter(self._body)
        while (chunk := await self._next(body)) is not None:
            yield chunk

    async def _next(self, body: AsyncIterator[bytes]) -> bytes | None:
        begun = perf_counter()
        try:
            return await anext(body, None)
        finally:
            self.waited_s += perf_counter() - begun
