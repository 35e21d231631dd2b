"""What a refusal tells: a gateway's in its own words, a proxy's in ours."""

import pytest

from gateway.client.address import Address
from gateway.client.errors import Refused
from gateway.client.refusals import refusal

HERE = Address.of("https://images.example.com")
WITH_PASSWORD = Address.of("https://me:secret@images.example.com")
BEFORE = "a proxy before the gateway at https://images.example.com"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ({"detail": "No room.", "error": "no", "title": "No"}, "No room."),
        ({"error": "no", "title": "No"}, "no"),
        ({"title": "No"}, "No"),
        ({}, "HTTP status 507"),
    ],
)
def test_a_gateways_own_words_are_told(problem, text):
    refused = refusal(507, problem, {}, HERE)
    assert isinstance(refused, Refused)
    assert (str(refused), refused.by_proxy) == (text, False)


def test_its_code_and_the_time_to_wait_are_told():
    refused = refusal(429, {"code": "too_many_subscribers"}, {"Retry-After": "5"}, HERE)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry_after_s) == ("too_many_subscribers", 5)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "asks for credentials; they go into the address: https://NAME:PASSWORD@images.example.com"),
        (403, "does not let this pass"),
        (407, "asks for credentials of its own, which this client has not"),
        (413, "does not take so much at once"),
        (429, "takes no more requests for now"),
        (502, "gets no answer from it"),
        (503, "passes nothing on for now"),
        (504, "gets no answer from it in time"),
        (418, "answers in its place"),
    ],
)
def test_a_proxy_is_told_from_a_gateway(status, says):
    refused = refusal(status, None, {}, HERE)
    assert isinstance(refused, Refused)
    assert (str(refused), refused.by_proxy) == (f"{BEFORE} {says} (HTTP status {status})", True)


def test_the_place_that_a_proxy_sends_requests_on_to_is_named():
    location = "https://me:secret@images.example.com:8443/api/v1/batch?key=secret"
    refused = refusal(308, None, {"Location": location}, HERE)
    says = "sends this on to https://images.example.com:8443, which the address has to name"
    assert str(refused) == f"{BEFORE} {says} (HTTP status 308)"


@pytest.mark.parametrize("location", ["", "/login", "https://", "mailto:a@b"])
def test_what_leads_to_no_other_server_is_not_named(location):
    refused = refusal(302, None, {"Location": location}, HERE)
    assert str(refused) == f"{BEFORE} answers in its place (HTTP status 302)"


def test_credentials_that_are_not_taken_are_told_and_not_shown():
    refused = refusal(401, None, {}, WITH_PASSWORD)
    assert str(refused) == f"{BEFORE} does not take the credentials in the address (HTTP status 401)"


@pytest.mark.parametrize("status", [401, 403, 407, 404, 502])
def test_no_password_is_in_any_of_them(status):
    assert "secret" not in str(refusal(status, None, {}, WITH_PASSWORD))


@pytest.mark.parametrize("status", [404, 405, 501])
def test_what_has_no_such_address_and_none_of_our_words_is_another_server(status):
    assert refusal(status, ["no problem"], {}, HERE) is None
