"""The handshake of a WebSocket (RFC 6455, section 4)."""

import re
from typing import Final

from aiohttp import HttpVersion11, WSCloseCode, hdrs, web

_VERSION: Final = "13"
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64 (4.1)."""
_WANTED: Final = {hdrs.UPGRADE: "websocket", hdrs.SEC_WEBSOCKET_VERSION: _VERSION}


class _Silent(web.WebSocketResponse):
    """Listens, and says no goodbye of its own, which might land inside of a message that is being written."""

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:  # fmt: skip
        self._set_closed()
        return True


async def opened_socket(request: web.Request, *, max_message_bytes: int) -> web.WebSocketResponse:
    """The handshake is done. Raises HTTPUpgradeRequired for a request that is none."""
    socket = _Silent(compress=False, max_msg_size=max_message_bytes, autoclose=False, autoping=False)
    if not _is_right(request) or not socket.can_prepare(request).ok:
        raise web.HTTPUpgradeRequired(headers=_WANTED)
    await socket.prepare(request)
    socket.headers.clear()  # they are sent, and would stay as long as the connection
    return socket


def _is_right(request: web.Request) -> bool:
    """Whether it is what aiohttp would take too easily.

    That is HTTP/1.0, versions 7 and 8, whose browsers tell their origin in another header, and any key; of one that is
    not even ASCII it dies.
    """
    return (
        request.version >= HttpVersion11
        and request.headers.get(hdrs.SEC_WEBSOCKET_VERSION) == _VERSION
        and _KEY.fullmatch(request.headers.get(hdrs.SEC_WEBSOCKET_KEY, "")) is not None
    )
