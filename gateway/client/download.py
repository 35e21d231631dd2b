"""Writes an image that comes from a gateway to a file, whole or not at all."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterable
from pathlib import Path
from typing import BinaryIO, Final

from gateway.client.errors import Refused
from gateway.client.http import Http

PIECE_BYTES: Final = 256 * 1024
READY_PAUSE_S: Final = 0.1


async def download(http: Http, path: str, to: Path, *, ready_s: float) -> str:
    """The name that the gateway has for what it sends; asked for so long while it is not ready."""
    deadline = asyncio.get_running_loop().time() + ready_s
    while True:
        try:
            async with http.answer("GET", path) as response:
                await _save(response.content.iter_chunked(PIECE_BYTES), to)
                disposition = response.content_disposition
                return (disposition and disposition.filename) or to.name
        except Refused as error:
            if error.code != "not_ready" or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(READY_PAUSE_S)


async def _save(pieces: AsyncIterable[bytes], to: Path) -> None:
    """A file beside it takes the bytes, then its place."""
    part = to.with_name(f".{to.name[:40]}.{secrets.token_hex(4)}.part")
    file = await asyncio.to_thread(part.open, "xb")
    try:
        with file:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_settle, file)
        await asyncio.to_thread(part.replace, to)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
