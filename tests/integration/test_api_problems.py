"""Every error is a problem of RFC 9457 that older clients can read as well, and tells nothing internal."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.api.problems import answer_errors
from gateway.errors import Unavailable
from tests.servers.quiet_gateway import QuietGateway

UNKNOWN = "/api/v1/batch/550e8400-e29b-41d4-a716-446655440000"


async def problem_of(quiet: QuietGateway, method: str, path: str, status: int, **more: Any) -> dict[str, Any]:
    async with quiet.http.request(method, path, **more) as answer:
        assert answer.status == status
        problem: dict[str, Any] = await answer.json(content_type="application/problem+json")
    assert problem["status"] == status
    assert problem["error"] == problem["detail"]
    assert {"type", "title", "code"} <= set(problem)
    return problem


@pytest.mark.parametrize("path", ["/nope", "/api/v1", "/api/v1/batch/", "/api/v2/batch", f"{UNKNOWN}/x/y/z"])
async def test_an_unknown_address_is_404(quiet: QuietGateway, path: str) -> None:
    assert (await problem_of(quiet, "GET", path, 404))["code"] == "not_found"


async def test_an_unknown_job_is_404_with_a_word_of_its_own(quiet: QuietGateway) -> None:
    assert (await problem_of(quiet, "GET", UNKNOWN, 404))["code"] == "job_not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/batch", {"GET", "HEAD", "POST"}),
        ("PUT", UNKNOWN, {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
    ],
)
async def test_a_method_that_is_not_allowed_is_405_and_allow_names_those_that_are(
    quiet: QuietGateway, method: str, path: str, allowed: set[str]
) -> None:
    async with quiet.http.request(method, path) as answer:
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed
    assert (await problem_of(quiet, method, path, 405))["code"] == "method_not_allowed"


async def test_a_part_that_is_down_is_503_and_told_when_to_come_again(quiet: QuietGateway) -> None:
    """The job store is closed under the gateway."""
    store: Any = quiet.context.job_store
    await store._close()  # noqa: SLF001
    async with quiet.http.get("/api/v1/batch") as answer:
        assert int(answer.headers["Retry-After"]) > 0
    await problem_of(quiet, "GET", "/api/v1/batch", 503)


class TestCrashes:
    """A handler with a bug, behind the gateway's own middleware."""

    @pytest.fixture
    def crashing(self, aiohttp_client: Any) -> Any:
        async def client(error: BaseException) -> Any:
            async def handler(_request: web.Request) -> web.Response:
                raise error

            application = web.Application(middlewares=[answer_errors])
            application.router.add_get("/", handler)
            return await aiohttp_client(application)

        return client

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("secret"),
            KeyError("secret"),
            TimeoutError("secret"),
            ConnectionResetError("secret"),
            asyncio.CancelledError("secret"),
        ],
    )
    async def test_a_bug_is_500_with_an_id_and_nothing_else(
        self, crashing: Any, error: BaseException
    ) -> None:
        client = await crashing(error)
        with capture_logs() as logs:
            async with client.get("/") as answer:
                text = await answer.text()
                problem = await answer.json(content_type="application/problem+json")
        assert answer.status == 500
        assert problem["code"] == "internal"
        assert "secret" not in text
        assert "Traceback" not in text
        assert [(entry["request_id"], entry["exc_info"]) for entry in logs] == [
            (problem["request_id"], error)
        ]

    async def test_the_log_says_at_which_address_and_to_which_job_but_no_query(
        self, aiohttp_client: Any
    ) -> None:
        async def handler(_request: web.Request) -> web.Response:
            raise RuntimeError("a bug")

        application = web.Application(middlewares=[answer_errors])
        application.router.add_get("/batch/{job_id}", handler)
        client = await aiohttp_client(application)
        with capture_logs() as logs:
            await client.get("/batch/a-job?token=secret")
        (entry,) = logs
        assert (entry["method"], entry["path"], entry["job_id"]) == ("GET", "/batch/a-job", "a-job")
        assert "secret" not in str(entry)

    async def test_the_detail_of_a_foreseen_error_is_for_the_log_alone(self, crashing: Any) -> None:
        client = await crashing(Unavailable("The store is down.", detail="secret", retry_after_s=7))
        with capture_logs() as logs:
            async with client.get("/") as answer:
                assert "secret" not in await answer.text()
                assert answer.headers["Retry-After"] == "7"
        assert "secret" in logs[0]["reason"]
