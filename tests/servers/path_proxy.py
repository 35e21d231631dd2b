"""A reverse proxy that shows a server below a path, as a site does that has other things as well.

    async with path_proxy(gateway.port, "/photos") as port:
        await page.visit(f"http://127.0.0.1:{port}/photos/")

HTTP and WebSocket; everything outside of the path is answered 404.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import WSMsgType, web
from attrs import define

from tests.servers.application import listening

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"}
Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


@define(eq=False)
class PathProxy:
    _http: aiohttp.ClientSession

    def application(self, path: str) -> web.Application:
        application = web.Application(client_max_size=1024**3)
        application.router.add_route("*", path + "/{rest:.*}", self._pass)
        return application

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        query = f"?{request.query_string}" if request.query_string else ""
        target = f"/{request.match_info['rest']}{query}"
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._pass_websocket(request, target)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        async with self._http.request(
            request.method, target, headers=headers, data=await request.read(), allow_redirects=False
        ) as answer:
            told = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            return web.Response(status=answer.status, headers=told, body=await answer.read())

    async def _pass_websocket(self, request: web.Request, target: str) -> web.WebSocketResponse:
        near = web.WebSocketResponse()
        async with self._http.ws_connect(target) as far:
            await near.prepare(request)
            await asyncio.gather(_pump(near, far), _pump(far, near))
        return near


async def _pump(source: Socket, target: Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
    await target.close(code=source.close_code or 1001)


@asynccontextmanager
async def path_proxy(target_port: int, path: str) -> AsyncIterator[int]:
    """The port of the proxy."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{target_port}", auto_decompress=False) as http:
        proxy = PathProxy(http)
        async with listening(web.AppRunner(proxy.application(path), access_log=None)) as port:
            yield port
