"""Requests that a gateway refuses."""

from typing import Any

from tests.servers.quiet_gateway import QuietGateway


async def refusal(quiet: QuietGateway, path: str) -> tuple[int, Any]:
    """The status of the answer to a GET, and the code of the problem that is its body."""
    async with quiet.http.get(path) as answer:
        return answer.status, (await answer.json(content_type="application/problem+json"))["code"]
