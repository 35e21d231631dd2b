"""Sends the body of a batch, under a key by which the gateway knows it again."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from gateway.client.errors import Unreachable
from gateway.client.http import Http
from gateway.client.upload import Body, watched


async def send_batch(http: Http, body: Body, headers: Mapping[str, str]) -> Mapping[str, Any]:
    """The answer. Raises as Http does, and OSError for what went wrong with the body on our side.

    Nothing in aiohttp ends a body that the gateway stops taking, so we do.
    """
    try:
        async with asyncio.timeout(None) as taking:
            data = watched(body.stream(), taking, http.silence_s)
            return await http.json("POST", "batch", data=data, headers={**headers, **body.headers})
    except TimeoutError as error:
        raise Unreachable(
            f"the gateway at {http.address.shown} takes nothing more of what is sent"
        ) from error
    except Unreachable as error:
        raise body.failure or error from error


def with_key(key: str | None) -> Mapping[str, str]:
    """The key as a string of structured fields (RFC 9651); None: one of its own."""
    key = secrets.token_hex(16) if key is None else key
    return {"Idempotency-Key": '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'}
