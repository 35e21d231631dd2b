"""Real traffic is what the document says, message by message, and the document says nothing that does not occur."""

import pytest

from tests.integration.asyncapi.judge import Judge, Message
from tests.integration.asyncapi.reading import document_of
from tests.integration.asyncapi.talking import SCENARIOS
from tests.servers.quiet_gateway import QuietGateway


@pytest.mark.parametrize("name", SCENARIOS)
async def test_real_messages_are_what_it_says(gateway: QuietGateway, name: str) -> None:
    channel, expected, scenario = SCENARIOS[name]
    judge = Judge(await document_of(gateway))
    assert heard(judge, channel, await scenario(gateway)) == expected


@pytest.mark.parametrize(
    ("shape", "field"), [("Opening", "resumed"), ("Image", "sha256"), ("JobComplete", "outcome")]
)
async def test_the_check_finds_a_field_that_the_document_forgets(
    gateway: QuietGateway, shape: str, field: str
) -> None:
    document = await document_of(gateway)
    forgetful = document["components"]["schemas"][shape]
    del forgetful["properties"][field]
    forgetful["required"] = [name for name in forgetful["required"] if name != field]
    channel, _, scenario = SCENARIOS["job: from its first event"]
    judge, messages = Judge(document), await scenario(gateway)
    with pytest.raises(AssertionError, match=field):
        heard(judge, channel, messages)


def heard(judge: Judge, channel: str, messages: list[Message]) -> set[str]:
    return {judge.message_of(channel, message) for message in messages}
