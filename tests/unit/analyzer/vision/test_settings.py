"""Which providers are asked, and how the vision provider is set."""

import pytest

from gateway.analyzer.chosen import chosen_providers
from gateway.analyzer.vision.settings import OPENROUTER, VisionSettings
from gateway.settings import Role, Settings, SettingsError, check_gateway, check_worker, describe, load

KEY = {"OPENROUTER_API_KEY": "sk-or-v1-secret"}
VISION = {"GATEWAY_ANALYZER_PROVIDERS": "vision"}
SERVERS = {
    "RABBITMQ_URL": "amqp://mq",
    "MINIO_ENDPOINT": "minio:9000",
    "MINIO_ACCESS_KEY": "ada",
    "MINIO_SECRET_KEY": "pw",
}


def loaded(environment: dict[str, str], role: Role | None = None) -> Settings:
    return load(None, environment, role).settings


def refusal(**environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(environment)
    return str(caught.value)


@pytest.mark.parametrize("role", [None, Role.ANALYZER])
@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("OPENROUTER_API_KEY", "sk-or-v1-secret", "api_key", "sk-or-v1-secret"),
        ("OPENROUTER_MODEL", "google/gemini-flash", "model", "google/gemini-flash"),
        ("OPENROUTER_PROMPT", 'Return {"title"} for $5', "prompt", 'Return {"title"} for $5'),
        ("OPENROUTER_MAX_TOKENS", "800", "max_tokens", 800),
        ("OPENROUTER_TEMPERATURE", "0", "temperature", 0.0),
    ],
)
def test_the_names_of_existing_deployments_are_understood_where_an_analyzer_is(role, name, text, key, value):
    assert getattr(loaded({name: text}, role).vision, key) == value


def test_a_processor_has_no_key():
    assert loaded(KEY, Role.PROCESSOR).vision == VisionSettings()


def test_an_existing_name_goes_before_the_variable_of_ours():
    assert loaded({"GATEWAY_VISION_MODEL": "ours", "OPENROUTER_MODEL": "theirs"}).vision.model == "theirs"


@pytest.mark.parametrize(
    ("environment", "providers"),
    [
        ({}, ("local",)),
        (KEY, ("vision",)),
        (KEY | {"GATEWAY_ANALYZER_PROVIDERS": "vision,local"}, ("vision", "local")),
        (KEY | {"GATEWAY_ANALYZER_PROVIDERS": "local"}, ("local",)),
    ],
)
def test_vision_is_asked_where_it_has_a_key_or_is_named(environment, providers):
    settings = loaded(environment)
    assert tuple(chosen_providers(settings.analyzer, settings.vision)) == providers


def test_a_provider_is_named_once():
    assert "must name each provider once" in refusal(GATEWAY_ANALYZER_PROVIDERS="local,vision,local")


def test_a_gateway_that_is_to_ask_openrouter_without_a_key_does_not_start():
    with pytest.raises(SettingsError, match="OPENROUTER_API_KEY"):
        check_gateway(loaded(VISION))


def test_nor_does_such_an_analyzer_of_its_own():
    with pytest.raises(SettingsError, match="OPENROUTER_API_KEY"):
        check_worker(loaded(SERVERS | VISION, Role.ANALYZER), Role.ANALYZER)


@pytest.mark.parametrize(
    "environment", [VISION | KEY, VISION | {"GATEWAY_VISION_URL": "http://127.0.0.1:11434/v1"}, {}]
)
def test_with_a_key_or_another_endpoint_or_no_vision_it_does(environment):
    check_gateway(loaded(environment))


def test_whoever_analyses_nothing_needs_no_key():
    check_gateway(loaded(SERVERS | VISION))
    check_worker(loaded(SERVERS | VISION, Role.PROCESSOR), Role.PROCESSOR)


def test_a_key_is_shown_to_nobody():
    assert "v1-secret" not in describe(load(None, KEY))
    assert "v1-secret" not in repr(loaded(KEY).vision)


def test_a_key_out_of_a_file_may_end_its_line():
    assert loaded({"OPENROUTER_API_KEY": "sk-or-v1-secret\n"}).vision.api_key == "sk-or-v1-secret"


@pytest.mark.parametrize("key", ["sk\nor", "schlüssel", "sk or"])
def test_a_key_that_is_no_bearer_token_is_refused_and_not_shown(key):
    told = refusal(OPENROUTER_API_KEY=key)
    assert "must be printable ASCII without blanks" in told
    assert key not in told


@pytest.mark.parametrize("url", ["openrouter.ai/api/v1", "ftp://host/v1", "http://", "http://ada:pw@host/v1"])
def test_an_address_that_is_none_is_refused(url):
    told = refusal(GATEWAY_VISION_URL=url)
    assert "vision.url" in told
    assert "pw" not in told


@pytest.mark.parametrize("proxy", ["proxy:3128", "socks5://proxy:1080", "http://"])
def test_a_proxy_that_is_none_is_refused(proxy):
    assert "vision.proxy" in refusal(GATEWAY_VISION_PROXY=proxy)


def test_the_log_in_of_a_proxy_is_shown_to_nobody():
    assert "pa55" not in describe(load(None, {"GATEWAY_VISION_PROXY": "http://ada:pa55@proxy:3128"}))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (OPENROUTER, "https://openrouter.ai/api/v1/chat/completions"),
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1/chat/completions"),
        ("http://host", "http://host/chat/completions"),
        ("http://host/v1/chat/completions", "http://host/v1/chat/completions"),
        ("https://host/d/gpt?api-version=1", "https://host/d/gpt/chat/completions?api-version=1"),
    ],
)
def test_requests_go_below_the_base_address(url, endpoint):
    assert str(VisionSettings(url=url).endpoint) == endpoint


@pytest.mark.parametrize(
    ("url", "is_openrouter"),
    [
        (OPENROUTER, True),
        ("https://eu.openrouter.ai/api/v1", True),
        ("https://openrouter.ai.example.com/api/v1", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_openrouter_is_known_by_its_host(url, is_openrouter):
    assert VisionSettings(url=url).is_openrouter == is_openrouter
