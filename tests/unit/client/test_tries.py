"""What is told of a request that was sent again until nobody had patience any more."""

from typing import NoReturn

import pytest

from gateway.client import ClientError, NotConnected, Refused, Unreachable
from gateway.client.tries import until_answered

OF_A_PROXY = Refused(502, "a proxy gets no answer.", by_proxy=True)
BUSY = Refused(503, "Too much to do.", code="busy", retry_after_s=5)


async def given_up_after(error: ClientError) -> ClientError:
    """After one try, for there is no patience at all."""

    async def send() -> NoReturn:
        raise error

    def wait(_: ClientError) -> NoReturn:
        raise AssertionError("there is no time to wait")

    with pytest.raises(type(error)) as given_up:
        await until_answered(send, 0.0, wait)
    return given_up.value


@pytest.mark.parametrize("error", [OF_A_PROXY, Unreachable("it closed the connection.")])
async def test_what_may_have_been_done_is_told_so(error):
    assert (
        str(await given_up_after(error)) == f"{str(error)[:-1]}; the batch may have been taken nevertheless"
    )


@pytest.mark.parametrize("error", [NotConnected("nobody is there"), BUSY, Refused(403, "no")])
async def test_what_was_not_done_is_told_as_it_is(error):
    assert await given_up_after(error) is error


async def test_a_proxy_is_told_from_a_gateway_all_the_same():
    refused = await given_up_after(OF_A_PROXY)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.by_proxy) == (502, True)
