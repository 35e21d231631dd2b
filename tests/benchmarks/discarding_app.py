"""What a POST is compared with: a bare aiohttp application that reads each body, forgets it and answers 201.

It has one status to ask for, of one image, whatever the job.

python -m tests.benchmarks.discarding_app PORT
"""

import sys

from aiohttp import web

from tests.benchmarks.bare_serving import serve_bare

STATUS = b'{"status": "pending", "images": [{"status": "pending"}]}'


async def discard(request: web.Request) -> web.Response:
    async for _ in request.content.iter_chunks():
        pass
    return web.json_response({"status": "pending"}, status=201)


async def status(_request: web.Request) -> web.Response:
    return web.Response(body=STATUS, content_type="application/json")


if __name__ == "__main__":
    serve_bare(
        int(sys.argv[1]), [web.post("/api/v1/batch", discard), web.get("/api/v1/batch/{job_id}", status)]
    )
