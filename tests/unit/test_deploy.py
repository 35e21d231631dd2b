"""The manifests of deploy/ are well-formed, and agree with the code: names, values, ports, commands, probes, times."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import kubernetes_validate
import pytest
import yaml

from gateway import processes
from gateway.adapters.broker.rabbitmq import link
from gateway.adapters.object_store.s3.upload import ABORT_S
from gateway.analyzer.settings import AnalyzerSettings
from gateway.api.live.audience import LEFT_S
from gateway.api.openapi.document import document
from gateway.background import Background
from gateway.cli import main
from gateway.intake.settings import IntakeSettings
from gateway.processor.settings import ProcessorSettings
from gateway.settings import HttpSettings, load
from gateway.settings.composed import Role
from gateway.settings.sources import OTHER_GATEWAY_NAMES
from gateway.telemetry import datadog_agent

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
COMPOSE_SCHEMA = json.loads(
    (files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json").read_text()
)
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
EXAMPLE_ENV = dict(
    line.split("=", 1)
    for line in (DEPLOY / "example.env").read_text().splitlines()
    if re.match(r"\w+=", line)
)
FILLED_IN = EXAMPLE_ENV | {"RABBITMQ_PASSWORD": "b0b0", "MINIO_SECRET_KEY": "c0c0c0c0"}
SECRETS_OF_KUBERNETES = {
    "RABBITMQ_URL": "amqps://gateway:b0b0@rabbitmq.example.com:5671/",
    "MINIO_ENDPOINT": "minio.example.com:9000",
    "MINIO_ACCESS_KEY": "gateway",
    "MINIO_SECRET_KEY": "c0c0c0c0",
    "MINIO_USE_SSL": "true",
}
"""What the secret holds that gateway.yaml says to make."""
PORTS = {
    "gateway": HttpSettings().port,
    "analyzer": AnalyzerSettings().http_port,
    "processor": ProcessorSettings().http_port,
}
OURS = tuple(PORTS)
UID = 10001
OLDEST_KUBERNETES, NEWEST_KUBERNETES = "1.29", kubernetes_validate.latest_version()

_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def _documents() -> Iterator[Any]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for number, manifest in enumerate(yaml.safe_load_all(path.read_text())):
            yield pytest.param(manifest, id=f"{path.stem}-{number}-{manifest['kind']}")


MANIFESTS = list(_documents())
PODS = [param for param in MANIFESTS if "template" in param.values[0]["spec"]]


def _pod(manifest: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def _our_containers(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    spec = _pod(manifest)
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    return [container for container in containers if container["image"].startswith("batch-gateway:")]


def _environment(container: Mapping[str, Any]) -> dict[str, str]:
    own = {variable["name"]: variable["value"] for variable in container["env"]}
    return (SECRETS_OF_KUBERNETES if "envFrom" in container else {}) | own


def _probes(container: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [probe for name, probe in container.items() if name.endswith("Probe")]


def _filled_in(value: str) -> str:
    return _VARIABLE.sub(lambda found: FILLED_IN[found[1]] or (found[3] if found[2] == "-" else ""), value)


def _complaints_of_compose(compose: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(COMPOSE_SCHEMA).iter_errors(compose)]


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _parses(arguments: list[str]) -> None:
    """The shell's door knows the command and its options. Raises UsageError."""
    name, *rest = arguments
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None, f"there is no command {name}"
    command.make_context(name, rest, parent=context)


def _unknown(environment: Mapping[str, str], of: str) -> set[str]:
    """Variables that the gateway, or the worker, passes over; one that it refuses raises SettingsError."""
    role = None if of == "gateway" else Role(of)
    read = set(load(None, environment, role).origins.values())
    return {name for name, value in environment.items() if value} - read - OTHER_GATEWAY_NAMES


def test_compose_meets_its_schema() -> None:
    assert _complaints_of_compose(COMPOSE) == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda services: services["gateway"].update(read_onyl=True),
        lambda services: services["gateway"].update(image=7),
        lambda services: services["analyzer"]["healthcheck"].update(retries=[3]),
        lambda services: services["rabbitmq"].update(ports=8080),
    ],
)
def test_a_broken_compose_file_is_seen(break_it: Any) -> None:
    broken = copy.deepcopy(COMPOSE)
    break_it(broken["services"])
    assert _complaints_of_compose(broken)


@pytest.mark.parametrize("manifest", MANIFESTS)
@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, NEWEST_KUBERNETES])
def test_a_manifest_meets_the_schema_of_kubernetes(manifest: Any, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("manifest", PODS)
@pytest.mark.parametrize(
    "break_it",
    [
        lambda pod: pod.update(terminationGracePeriod=30),
        lambda pod: pod["containers"][0].update(ports=[{"containerPort": "http"}]),
        lambda pod: pod["securityContext"].update(runAsNonRoot="yes"),
    ],
)
def test_a_broken_manifest_is_seen(manifest: Any, break_it: Any) -> None:
    broken = copy.deepcopy(manifest)
    break_it(_pod(broken))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST_KUBERNETES, strict=True)


@pytest.mark.parametrize("service", OURS)
def test_what_compose_sets_is_understood(service: str) -> None:
    variables = COMPOSE["services"][service]["environment"]
    assert _unknown({name: _filled_in(value) for name, value in variables.items()}, service) == set()


@pytest.mark.parametrize("manifest", PODS)
def test_what_a_pod_sets_is_understood(manifest: Any) -> None:
    for container in _our_containers(manifest):
        assert _unknown(_environment(container), container["name"]) == set()


def test_the_secret_that_is_to_be_made_has_what_the_tests_take_for_it() -> None:
    told = (DEPLOY / "kubernetes" / "gateway.yaml").read_text().partition("apiVersion")[0]
    assert set(re.findall(r"--from-literal=(\w+)=", told)) == set(SECRETS_OF_KUBERNETES)


def test_compose_asks_for_nothing_that_the_example_lacks() -> None:
    used = {found[1] for found in _VARIABLE.finditer((DEPLOY / "compose.yaml").read_text())}
    assert used == set(EXAMPLE_ENV)


def test_compose_does_not_start_without_secrets_of_ones_own() -> None:
    empty = {name for name, value in EXAMPLE_ENV.items() if not value} - {"DD_AGENT_HOST", "DD_ENV"}
    must = {found[1] for found in _VARIABLE.finditer(str(COMPOSE)) if found[2] == "?"}
    assert empty == {"RABBITMQ_PASSWORD", "MINIO_SECRET_KEY"}
    assert empty < must


def test_compose_opens_ports_to_this_machine_alone_and_those_of_the_parts_to_nobody() -> None:
    published = {name: service.get("ports", []) for name, service in COMPOSE["services"].items()}
    assert {name for name, ports in published.items() if ports} == {"gateway", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert published["gateway"][0].endswith(f":{PORTS['gateway']}")


@pytest.mark.parametrize("service", OURS)
def test_compose_runs_ours_without_rights(service: str) -> None:
    ours = COMPOSE["services"][service]
    assert (ours["user"], ours["read_only"], ours["cap_drop"]) == (f"{UID}:{UID}", True, ["ALL"])
    assert ours["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_each_service_of_compose_is_watched_restarted_and_bounded(service: str) -> None:
    one = COMPOSE["services"][service]
    assert one["healthcheck"]["test"][0] == "CMD"
    assert one["restart"] == "unless-stopped"
    assert {"cpus", "memory"} <= set(one["deploy"]["resources"]["limits"])
    assert one["logging"]["options"]["max-size"]


@pytest.mark.parametrize("service", OURS)
def test_the_commands_of_compose_exist(service: str) -> None:
    ours = COMPOSE["services"][service]
    _parses(ours.get("command", ["serve"]))
    door, *health = ours["healthcheck"]["test"][1:]
    assert (door, health[:2]) == ("python", ["-m", "gateway"])
    _parses(health[2:])


@pytest.mark.parametrize("manifest", PODS)
def test_a_pod_of_ours_has_no_rights(manifest: Any) -> None:
    spec = _pod(manifest)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in _our_containers(manifest):
        context = spec["securityContext"] | container["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (UID, UID)
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])


@pytest.mark.parametrize("manifest", PODS)
def test_the_commands_of_a_pod_exist(manifest: Any) -> None:
    for container in _our_containers(manifest):
        script = container.get("command", [""])[-1]
        _parses(container.get("args") or script.partition("python -m gateway ")[2].split())
        for probe in _probes(container):
            if "exec" in probe:
                assert probe["exec"]["command"][:3] == ["python", "-m", "gateway"]
                _parses(probe["exec"]["command"][3:])


@pytest.mark.parametrize("manifest", PODS)
def test_probes_ask_what_the_gateway_answers(manifest: Any) -> None:
    paths = document(IntakeSettings())["paths"]
    for container in _our_containers(manifest):
        probes = _probes(container)
        assert probes
        for probe in probes:
            if "httpGet" in probe:
                assert probe["httpGet"]["path"] in paths
                assert probe["httpGet"]["port"] in {port["name"] for port in container["ports"]}


@pytest.mark.parametrize("manifest", PODS)
def test_the_ports_of_pods_are_the_defaults(manifest: Any) -> None:
    for container in _our_containers(manifest):
        for port in container.get("ports", []):
            assert port["containerPort"] == PORTS[container["name"]]
            scraped = manifest["spec"]["template"]["metadata"]["annotations"]
            assert scraped["prometheus.io/port"] == str(PORTS[container["name"]])


def test_prometheus_scrapes_each_of_ours_at_its_port() -> None:
    found = {}
    for job in PROMETHEUS["scrape_configs"]:
        for target in job.get("static_configs", []):
            name, _, port = target["targets"][0].partition(":")
            found[name] = int(port)
        for look_up in job.get("dns_sd_configs", []):
            found[look_up["names"][0]] = look_up["port"]
    assert found == PORTS


def test_prometheus_finds_its_rules() -> None:
    assert PROMETHEUS["rule_files"]
    assert all((DEPLOY / "prometheus" / file).exists() for file in PROMETHEUS["rule_files"])


def test_a_stop_is_waited_for() -> None:
    """All of it, with a broker, an object store and helpers that are stuck; a disk that hangs has no end."""
    doors_s, services_s = 2 * HttpSettings().shutdown_timeout_s, Background().stop_timeout_s
    either_s = doors_s + services_s + processes.STOP_S + link.STOP_S + ABORT_S + datadog_agent.STOP_S
    least = {
        "gateway": LEFT_S + either_s,
        "analyzer": AnalyzerSettings().stop_timeout_s + either_s,
        "processor": ProcessorSettings().stop_timeout_s + either_s,
    }
    given = {service: _seconds(COMPOSE["services"][service]["stop_grace_period"]) for service in OURS}
    assert {service for service in OURS if given[service] <= least[service]} == set()
    for param in PODS:
        for container in _our_containers(param.values[0]):
            assert _pod(param.values[0])["terminationGracePeriodSeconds"] > least[container["name"]]
    asking = yaml.safe_load((DEPLOY / "compose.vision.yaml").read_text())["services"]["analyzer"]
    in_hand_s = float(asking["environment"]["GATEWAY_ANALYZER_STOP_TIMEOUT_S"])
    assert _seconds(asking["stop_grace_period"]) > in_hand_s + either_s


def test_one_gateway_at_a_time_keeps_its_data_on_a_volume_that_outlives_it() -> None:
    gateway = next(
        p.values[0]
        for p in PODS
        if (p.values[0]["kind"], p.values[0]["metadata"]["name"]) == ("Deployment", "gateway")
    )
    assert (gateway["spec"]["replicas"], gateway["spec"]["strategy"]) == (1, {"type": "Recreate"})
    volumes = {volume["name"]: volume for volume in _pod(gateway)["volumes"]}
    assert "persistentVolumeClaim" in volumes["data"]
