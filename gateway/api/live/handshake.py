"""The handshake of a WebSocket (RFC 6455, section 4)."""

from typing import Final

from aiohttp import WSCloseCode, hdrs, web

_VERSION: Final = "13"
_WANTED: Final = {hdrs.UPGRADE: "websocket", hdrs.SEC_WEBSOCKET_VERSION: _VERSION}


class _Silent(web.WebSocketResponse):
    """Listens, and says no goodbye of its own, which might land inside of a message that is being written."""

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:  # fmt: skip
        self._set_closed()
        return True


async def opened_socket(request: web.Request, *, max_message_bytes: int) -> web.WebSocketResponse:
    """The handshake is done. Raises HTTPUpgradeRequired for a request that is none.

    aiohttp would take versions 7 and 8 too; browsers that speak them tell their origin in another header.
    """
    socket = _Silent(compress=False, max_msg_size=max_message_bytes, autoclose=False, autoping=False)
    is_ours = request.headers.get(hdrs.SEC_WEBSOCKET_VERSION) == _VERSION
    if not is_ours or not socket.can_prepare(request).ok:
        raise web.HTTPUpgradeRequired(headers=_WANTED)
    await socket.prepare(request)
    return socket
