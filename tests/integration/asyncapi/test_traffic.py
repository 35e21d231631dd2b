"""Real traffic is what the document says, message by message, and the document says nothing that does not occur."""

import pytest

from gateway.api.schemas.subscriptions import CODES
from tests.integration.asyncapi import talking, talking_http, talking_many
from tests.integration.asyncapi.judge import Judge, Message
from tests.integration.asyncapi.reading import document_of
from tests.servers.quiet_gateway import QuietGateway

SCENARIOS = talking.SCENARIOS | talking_http.SCENARIOS | talking_many.SCENARIOS
SILENCES = talking.SILENCES | talking_http.SILENCES | talking_many.SILENCES


@pytest.mark.parametrize("name", SCENARIOS)
async def test_real_messages_are_what_it_says(gateway: QuietGateway, name: str) -> None:
    channel, expected, scenario = SCENARIOS[name]
    judge = Judge(await document_of(gateway))
    assert heard(judge, channel, await scenario(gateway)) == expected


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_message_is_one_of_its_channel_also_to_clients_who_pass_over_fields(
    gateway: QuietGateway, name: str
) -> None:
    """AsyncAPI, Channel Object: valid against one message, and only one; likewise `oneOf` in OpenAPI."""
    channel, expected, scenario = SCENARIOS[name]
    judge = Judge(await document_of(gateway), is_strict=False)
    messages = [{**message, "of_tomorrow": True} for message in await scenario(gateway)]
    assert heard(judge, channel, messages) == expected


@pytest.mark.parametrize("name", SILENCES)
async def test_signs_of_life_are_what_it_says(restless: QuietGateway, name: str) -> None:
    channel, expected, scenario = SILENCES[name]
    judge = Judge(await document_of(restless))
    assert heard(judge, channel, await scenario(restless)) == expected


async def test_every_message_of_it_is_brought_about_here(gateway: QuietGateway) -> None:
    channels = (await document_of(gateway))["channels"]
    named = {(name, message) for name, channel in channels.items() for message in channel["messages"]}
    assert named == {
        (channel, message) for channel, expected, _ in (SCENARIOS | SILENCES).values() for message in expected
    }


async def test_every_code_of_an_error_is_brought_about_here(gateway: QuietGateway) -> None:
    said = await talking_many.what_is_refused(gateway) + await talking_many.what_is_not_there_now(gateway)
    assert {message["code"] for message in said if message["type"] == "error"} == set(CODES)


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
