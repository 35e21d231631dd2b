"""How a deployed analyzer, and nobody else, gets the key of a model and a way out to it."""

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import yaml

from gateway.settings import Role, Settings, load

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MORE = yaml.safe_load((DEPLOY / "compose.vision.yaml").read_text())
SCHEMA = json.loads(
    (files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json").read_text()
)
ANALYZER = MORE["services"]["analyzer"]


def environment(**given: str) -> dict[str, str]:
    """As compose fills it in."""
    return {
        name: re.sub(r"\$\{(\w+):[?-]([^}]*)\}", lambda found: given.get(found[1], found[2]), value)
        for name, value in ANALYZER["environment"].items()
    }


def settings(**given: str) -> Settings:
    return load(None, environment(**given), Role.ANALYZER).settings


def test_it_meets_the_schema_of_compose() -> None:
    assert [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(MORE)] == []


def test_it_is_about_the_analyzer_alone() -> None:
    assert set(MORE) == {"services"}
    assert set(MORE["services"]) == {"analyzer"}


def test_the_analyzer_gets_the_key_and_asks_the_model_first() -> None:
    found = settings(OPENROUTER_API_KEY="sk-or-v1-secret")
    assert found.vision.api_key == "sk-or-v1-secret"
    assert found.analyzer.providers == ("vision", "local")


def test_what_it_leaves_to_the_reader_is_as_the_settings_have_it() -> None:
    found, default = settings(OPENROUTER_API_KEY="sk"), Settings()
    assert (found.vision.model, found.vision.max_per_minute) == (
        default.vision.model,
        default.vision.max_per_minute,
    )


def test_the_other_names_of_existing_deployments_reach_the_analyzer() -> None:
    names = {"OPENROUTER_PROMPT": "Say it.", "OPENROUTER_MAX_TOKENS": "900", "OPENROUTER_TEMPERATURE": "0.1"}
    found = settings(OPENROUTER_API_KEY="sk", **names).vision
    default = settings(OPENROUTER_API_KEY="sk").vision
    assert (found.prompt, found.max_tokens, found.temperature) == ("Say it.", 900, 0.1)
    assert (default.prompt, default.max_tokens) == (Settings().vision.prompt, Settings().vision.max_tokens)


def test_the_model_is_asked_about_as_many_images_at_once_as_it_may_be() -> None:
    bare = BASE["services"]["analyzer"]["environment"]
    both = bare | environment(OPENROUTER_API_KEY="sk", VISION_MAX_IN_FLIGHT="9")
    assert load(None, both, Role.ANALYZER).settings.images_at_once(Role.ANALYZER) == 9


def test_the_key_must_be_given() -> None:
    assert ":?" in ANALYZER["environment"]["OPENROUTER_API_KEY"]


def test_the_analyzer_has_a_way_out_and_still_reaches_broker_and_store() -> None:
    networks = {name: bool(network.get("internal")) for name, network in BASE["networks"].items()}
    assert not all(networks[name] for name in ANALYZER["networks"])
    assert set(BASE["services"]["analyzer"]["networks"]) < set(ANALYZER["networks"])


def test_in_kubernetes_the_key_is_an_optional_secret_of_the_analyzer_alone() -> None:
    secret = {"secretRef": {"name": "gateway-vision", "optional": True}}
    manifests = [*(DEPLOY / "kubernetes").glob("*.yaml")]
    objects = [each for file in manifests for each in yaml.safe_load_all(file.read_text())]
    holders = [
        container["name"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet")
        for container in each["spec"]["template"]["spec"]["containers"]
        if secret in container.get("envFrom", [])
    ]
    assert holders == ["analyzer"]
