"""What a POST is compared with: a bare aiohttp application that reads each body, forgets it and answers 201.

python -m tests.benchmarks.discarding_app PORT
"""

import sys

from aiohttp import web

from tests.benchmarks.bare_serving import serve_bare


async def discard(request: web.Request) -> web.Response:
    async for _ in request.content.iter_any():
        pass
    return web.json_response({"status": "pending"}, status=201)


if __name__ == "__main__":
    serve_bare(int(sys.argv[1]), [web.post("/api/v1/batch", discard)])
