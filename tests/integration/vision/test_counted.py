"""What the vision provider counts: requests, tokens, cost, and images by how they ended."""

import pytest

from tests.integration.vision.photographer import CAT, SILENT_S
from tests.patience import PATIENCE_S
from tests.servers.chat_completions import USAGE, says, silence, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_requests_tokens_cost_and_images_are_counted(asking):
    async with asking(status(429), CAT) as (photographer, _):
        await photographer.words()
    counted = photographer.counted
    assert (counted("requests_total", outcome="limited"), counted("requests_total", outcome="ok")) == (1, 1)
    assert counted("tokens_total", kind="prompt") == USAGE["prompt_tokens"]
    assert counted("tokens_total", kind="completion") == USAGE["completion_tokens"]
    assert counted("cost_dollars_total") == USAGE["cost"]
    assert counted("request_seconds_count") == 2
    assert counted("images_total", outcome="described") == 1


@pytest.mark.parametrize(
    ("answer", "of_request", "of_image"),
    [
        (status(500), "failed", "unavailable"),
        (status(401), "rejected", "unavailable"),
        (silence(), "timed_out", "unavailable"),
        (says(None, refusal="No."), "refused", "refused"),
        (says("A cat."), "unreadable", "unreadable"),
    ],
    ids=["500", "401", "silence", "refusal", "no JSON"],
)
async def test_what_went_wrong_is_counted_by_its_kind(asking, answer, of_request, of_image):
    timeout_s = SILENT_S if of_request == "timed_out" else PATIENCE_S
    async with asking(answer, max_tries=1, request_timeout_s=timeout_s) as (photographer, _):
        await photographer.failure()
    assert photographer.counted("requests_total", outcome=of_request) == 1
    assert photographer.counted("images_total", outcome=of_image) == 1


async def test_tokens_of_an_answer_that_could_not_be_used_are_counted_too(asking):
    async with asking(says("A cat."), max_tries=1) as (photographer, _):
        await photographer.failure()
    assert photographer.counted("tokens_total", kind="prompt") == USAGE["prompt_tokens"]
