"""Settings that work and yet can't be meant."""

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from gateway.settings import Role, Settings, doubts, load
from tests.environment import without_proxies


def settings(**variables: str) -> Settings:
    return load(None, variables).settings


def of_gateway(**variables: str) -> Sequence[str]:
    return doubts.of_gateway(settings(**variables))


KEY = {"OPENROUTER_API_KEY": "sk-or-v1-secret"}
OURS = {"GATEWAY_VISION_URL": "http://localhost:11434/v1"}
ASKED = {**OURS, "GATEWAY_ANALYZER_PROVIDERS": "vision"}
BESIDE = {"GATEWAY_ANALYZER_KIND": "external"}

FITTING: dict[str, dict[str, str]] = {
    "nothing is said": {},
    "a key": KEY,
    "a key and more": {**KEY, "OPENROUTER_MODEL": "openai/gpt-4o-mini"},
    "a model that is asked": {**ASKED, "GATEWAY_VISION_MODEL": "llava"},
    "a model that was set aside": {**OURS, "GATEWAY_ANALYZER_PROVIDERS": "local"},
    "a model of whoever is beside": {**OURS, **BESIDE},
    "a request as long as its image": {
        **ASKED,
        "GATEWAY_VISION_REQUEST_TIMEOUT_S": "90s",
        "GATEWAY_ANALYZER_TIMEOUT_S": "90s",
    },
    "an image shorter than a request that nobody spoke of": {**ASKED, "GATEWAY_ANALYZER_TIMEOUT_S": "20s"},
    "three quarters of all who follow": {
        "GATEWAY_HTTP_MAX_CONNECTIONS": "8000",
        "GATEWAY_SUBSCRIBERS_MAX_CONNECTIONS": "6000",
    },
    "all subscribers behind one proxy": {
        "GATEWAY_SUBSCRIBERS_MAX_CONNECTIONS": "500",
        "GATEWAY_SUBSCRIBERS_MAX_PER_ADDRESS": "500",
    },
    "an image as long as its result": {"GATEWAY_ANALYZER_TIMEOUT_S": "600s"},
    "a slow analyzer beside": {
        **BESIDE,
        "GATEWAY_JOBS_RESULT_TIMEOUT_S": "61s",
        "GATEWAY_ANALYZER_TIMEOUT_S": "2h",
    },
}


@pytest.mark.parametrize("variables", FITTING.values(), ids=FITTING)
def test_what_fits_together_raises_no_doubt(variables: dict[str, str]) -> None:
    assert of_gateway(**variables) == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (OURS, "vision.url is set"),
        ({"OPENROUTER_MODEL": "openai/gpt-4o-mini"}, "vision.model is set"),
        ({**OURS, "GATEWAY_VISION_MODEL": "llava"}, "vision.url and vision.model are set"),
    ],
)
def test_a_model_that_nobody_asks_is_told_with_what_has_it_asked(
    variables: dict[str, str], said: str
) -> None:
    (doubt,) = of_gateway(**variables)
    assert doubt == (
        f"{said}, and no model is asked, for there is no key and analyzer.providers names none: "
        "set OPENROUTER_API_KEY, or name vision in analyzer.providers"
    )


def test_a_request_that_may_take_longer_than_its_image_is_told() -> None:
    (doubt,) = of_gateway(**ASKED, GATEWAY_VISION_REQUEST_TIMEOUT_S="120s")
    assert doubt == (
        "vision.request_timeout_s = 120 is never waited for: analyzer.timeout_s = 60 ends all requests for an "
        "image, and should be the longer one"
    )


@pytest.mark.parametrize("role", Role)
def test_an_image_that_is_sent_again_while_it_is_in_work_is_told(role: Role) -> None:
    (doubt,) = of_gateway(**{f"GATEWAY_{role.upper()}_TIMEOUT_S": "30m"})
    assert doubt == (
        "jobs.result_timeout_s = 600 sends an image again that may still be in work, for "
        f"{role}.timeout_s = 1800 is longer: it should be the shorter one"
    )


def test_an_analyzer_of_its_own_is_told_of_its_model() -> None:
    assert len(doubts.of_worker(settings(**OURS), Role.ANALYZER)) == 1
    assert doubts.of_worker(settings(**OURS), Role.PROCESSOR) == []


def test_no_value_is_told_for_it_may_be_a_secret() -> None:
    (doubt,) = of_gateway(GATEWAY_VISION_PROXY="http://ada:secret@proxy:3128")
    assert "secret" not in doubt


def test_each_doubt_is_a_warning_of_the_log() -> None:
    with capture_logs() as lines:
        doubts.tell(["one", "two"])
    assert [(line["log_level"], line["reason"]) for line in lines] == [("warning", "one"), ("warning", "two")]


def test_a_proxy_that_is_to_be_used_and_is_not_named_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)
    (doubt,) = of_gateway(GATEWAY_FETCH_PROXY_FROM_ENVIRONMENT="true")
    assert doubt.startswith(
        "fetch.proxy_from_environment is on, and neither HTTP_PROXY nor HTTPS_PROXY is set"
    )
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert of_gateway(GATEWAY_FETCH_PROXY_FROM_ENVIRONMENT="true") == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"GATEWAY_HTTP_MAX_CONNECTIONS": "6000"}, (6000, 4500, 6000)),
        ({"GATEWAY_SUBSCRIBERS_MAX_CONNECTIONS": "9000"}, (9000, 6144, 8192)),
    ],
)
def test_subscribers_who_would_leave_nothing_to_requests_are_told(
    variables: dict[str, str], said: tuple[int, int, int]
) -> None:
    wanted, most, connections = said
    (doubt,) = of_gateway(**variables)
    assert doubt == (
        f"subscribers.max_connections = {wanted} is taken as {most}, for a quarter of all connections, of which "
        f"http.max_connections and the limit on open files allow {connections}, is for requests: "
        "lower the one, or raise the others"
    )


@pytest.mark.parametrize("bound", ["max_per_job", "max_per_address"])
def test_a_bound_of_some_subscribers_that_is_above_that_of_all_is_told(bound: str) -> None:
    (doubt,) = of_gateway(**{f"GATEWAY_SUBSCRIBERS_{bound.upper()}": "6001"})
    assert doubt == (
        f"subscribers.{bound} = 6001 is never reached: subscribers.max_connections = 6000 is lower"
    )
