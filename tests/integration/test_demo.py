"""`gateway demo`: a real gateway of its own, which never outlives it."""

import asyncio
import os
import re
import shlex
import signal
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import cli

PATIENCE_S = 60
MANY = 300
SAMPLES = Path(__file__).parents[2] / "examples/photos"


async def start(*args: object) -> asyncio.subprocess.Process:
    """In an environment that is set up for another gateway."""
    other = {
        "SERVER_PORT": "1",
        "GATEWAY_HTTP_TCP": "no",
        "RABBITMQ_URL": "amqp://mq",
        "MINIO_ENDPOINT": "minio:9000",
        "OPENROUTER_MAX_TOKENS": "none",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "demo", *map(str, args), env=dict(os.environ) | other,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def output(demo: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(PATIENCE_S):
        out, err = await demo.communicate()
    assert err == b""
    return out.decode()


def port_in(text: str) -> int:
    found = re.search(r"http://127\.0\.0\.1:(\d+)", text)
    assert found
    return int(found[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_the_samples_are_tagged_and_shown():
    demo = await start()
    shown = await output(demo)
    assert demo.returncode == 0
    for name in (path.name for path in SAMPLES.iterdir() if path.suffix in (".jpg", ".png")):
        assert re.search(rf"\n{name}\n  title: .+\n  description: .+\n  keywords: .+\n", shown)


async def test_the_last_line_tells_how_to_go_on_by_commands_that_are_there():
    last_line = (await output(await start())).splitlines()[-1]
    serve, submit = re.findall(r"`(.+?)`", last_line)
    program = serve.removesuffix(" serve")
    assert submit == f"{program} submit PHOTOS --output DIR"
    help_of_it = await asyncio.create_subprocess_exec(
        *shlex.split(program), "--help", stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        shown, _ = await help_of_it.communicate()
    assert b"Batch gateway for images" in shown


async def test_without_the_source_tree_it_asks_for_photos(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "SAMPLES", tmp_path / "absent")
    ended = await asyncio.to_thread(CliRunner().invoke, cli.main, ["demo"])
    assert ended.exit_code == 2
    assert "come with the source tree only: name others with --photos DIR" in ended.stderr


async def test_its_gateway_has_ended_when_it_ends():
    demo = await start("--photos", SAMPLES)
    assert not listens(port_in(await output(demo)))


async def test_a_photo_that_is_not_tagged_makes_it_fail(tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    demo = await start("--photos", tmp_path)
    shown = await output(demo)
    assert demo.returncode == 1
    assert re.search(r"\ntext.jpg\n  failed: .+\n\n0 of 1 images tagged.\n", shown)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_its_gateway_too(number, tmp_path):
    """Of a demo that is not over before the signal comes."""
    sample = next(SAMPLES.glob("*.jpg"))
    for copy in range(MANY):
        (tmp_path / f"{copy}.jpg").symlink_to(sample)
    demo = await start("--photos", tmp_path)
    assert demo.stdout
    async with asyncio.timeout(PATIENCE_S):
        first_line = (await demo.stdout.readline()).decode()
        demo.send_signal(number)
        await demo.communicate()
    assert demo.returncode == 130
    assert not listens(port_in(first_line))
