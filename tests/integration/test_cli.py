"""The shell's commands as a user runs them: real processes, against a stand-in gateway."""

import asyncio
import os
import pty
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from attrs import define

from tests.commands import clean_environment, run, start
from tests.free_ports import free_port
from tests.patience import PATIENCE_S
from tests.servers.stand_in_gateway import PNG, StandIn, stand_in_gateway
from tests.servers.web import answer, web_server
from tests.too_deep import too_deep

WIPED = "\x1b[2K"
"""ECMA-48: erase the line."""


@pytest.fixture
async def stand_in():
    async with stand_in_gateway() as gateway:
        yield gateway


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "bad.jpg", "sub/c.png", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def without_bad(photos: Path) -> Path:
    (photos / "bad.jpg").unlink()
    return photos


# --- submit


async def test_a_folder_is_sent_followed_and_reported_line_by_line(stand_in: StandIn, photos):
    ended = await run("submit", without_bad(photos), "--gateway", stand_in.base_url)
    assert (ended.code, ended.err) == (0, "")
    assert sorted(line.partition("] ")[2] for line in ended.lines[1:3]) == [
        "a.jpg Title of a.jpg",
        "sub/c.png Title of c.png",
    ]
    (job_id,) = stand_in.jobs
    assert ended.lines[-2:] == [
        "1 other file passed over (1 .txt)",
        f"2 of 2 tagged; for copies send with --output DIR, or see {stand_in.base_url}/batches/{job_id}",
    ]


async def test_what_failed_is_listed_at_the_end_with_its_reason(stand_in, photos):
    ended = await run("submit", photos, "--gateway", stand_in.base_url)
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "1 failed:",
        "  bad.jpg: This is not an image. (not_an_image)",
    ]
    assert ended.lines[-1].startswith("2 of 3 tagged; ")


async def test_a_folder_that_can_not_be_read_fails_alone(stand_in, photos):
    too_deep(photos / "deep")
    ended = await run("submit", without_bad(photos), "--gateway", stand_in.base_url)
    assert ended.code == 1
    assert ended.err.splitlines()[0] == "1 failed:"
    assert ended.err.endswith(": can't be read: File name too long\n")
    assert ended.lines[-1].startswith("2 of 3 tagged; ")


async def test_the_gateway_may_be_named_by_the_environment(stand_in, photos):
    ended = await run("submit", photos / "a.jpg", env={"GATEWAY_URL": stand_in.base_url})
    assert ended.code == 0


async def test_the_tagged_copies_are_written_with_their_sub_folders(stand_in, photos, tmp_path):
    out = tmp_path / "out"
    ended = await run("submit", photos, "--gateway", stand_in.base_url, "--output", out)
    assert ended.lines[-1] == f"2 of 3 tagged, copies in {out}/"
    written = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")
    }
    assert written == {"a.jpg": b"tagged a.jpg", "sub/c.png": b"tagged sub/c.png"}


async def test_the_source_is_never_overwritten(stand_in, photos):
    ended = await run("submit", photos / "a.jpg", "--gateway", stand_in.base_url, "--output", photos)
    assert ended.code == 0
    assert ((photos / "a.jpg").read_bytes(), (photos / "a-2.jpg").read_bytes()) == (b"a.jpg", b"tagged a.jpg")


async def test_a_png_that_is_called_jpg_is_saved_as_png(stand_in, photos, tmp_path):
    (photos / "x.jpg").write_bytes(PNG)
    await run("submit", photos / "x.jpg", "--gateway", stand_in.base_url, "--output", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.png"]


async def test_a_folder_of_copies_that_can_not_be_made_is_told_before_anything_is_sent(stand_in, photos):
    out = photos / "notes.txt/out"
    ended = await run("submit", photos, "--gateway", stand_in.base_url, "--output", out)
    assert (ended.code, ended.err) == (2, f"gateway: --output: {out}: Not a directory\n")
    assert stand_in.batches == []


async def test_a_copy_that_is_not_ready_at_once_is_asked_for_again(stand_in, photos, tmp_path):
    stand_in.not_ready_answers = 2
    out = tmp_path / "out"
    ended = await run("submit", photos / "a.jpg", "--gateway", stand_in.base_url, "--output", out)
    assert (ended.code, (out / "a.jpg").read_bytes()) == (0, b"tagged a.jpg")


async def test_a_copy_that_is_never_ready_is_told_of_the_photo(stand_in, photos, tmp_path):
    stand_in.not_ready_answers = 1000
    out = tmp_path / "out"
    ended = await run("submit", photos / "a.jpg", "--gateway", stand_in.base_url, "--output", out)
    assert ended.code == 1
    assert (
        "  a.jpg: tagged, but its copy could not be saved: the gateway has not got it ready yet" in ended.err
    )


async def test_a_copy_that_can_not_be_had_is_a_failure(stand_in, photos, tmp_path):
    stand_in.lose_processed = True
    ended = await run(
        "submit", photos / "a.jpg", "--gateway", stand_in.base_url, "--output", tmp_path / "out"
    )
    assert ended.code == 1
    assert "a.jpg: tagged, but its copy could not be saved: It is gone." in ended.err
    assert list((tmp_path / "out").iterdir()) == []


async def test_as_many_batches_are_sent_as_are_needed(stand_in, tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    ended = await run("submit", tmp_path, "--gateway", stand_in.base_url, "--batch-size", 3)
    assert ended.lines[-1].startswith("7 of 7 tagged; ")
    assert sorted(len(batch) for batch in stand_in.batches) == [1, 3, 3]


async def test_without_following_only_the_jobs_are_told(stand_in, photos):
    ended = await run("submit", photos, "--gateway", stand_in.base_url, "--no-follow")
    (job_id,) = stand_in.jobs
    assert (ended.code, ended.lines) == (
        0,
        [
            f"job {job_id}: 3 images accepted",
            "1 other file passed over (1 .txt)",
            f"3 of 3 sent; see {stand_in.base_url}/batches/{job_id}",
        ],
    )


async def test_a_busy_gateway_is_asked_again(stand_in, photos):
    stand_in.busy_answers = 2
    ended = await run("submit", photos / "a.jpg", "--gateway", stand_in.base_url)
    assert (ended.code, len(stand_in.batches)) == (0, 1)
    assert ended.lines[0] == "gateway busy, waiting: Too much to do."
    assert ended.out.count("waiting") == 1


async def test_a_refused_batch_fails_its_photos_with_the_reason(stand_in, photos):
    stand_in.refuse_batches = True
    ended = await run("submit", photos, "--gateway", stand_in.base_url)
    assert ended.code == 1
    assert ended.err.count("images: more than 3.") == 3


async def test_what_becomes_of_words_that_are_there_is_said_of_every_batch(stand_in, photos):
    words = ("--title", "keep", "--description", "append", "--keywords", "replace")
    ended = await run(
        "submit", without_bad(photos), "--gateway", stand_in.base_url, "--batch-size", 1, *words
    )
    assert ended.code == 0
    said = {"metadata": {"title": "keep", "description": "append", "keywords": "replace"}}
    assert stand_in.options == [said, said]


async def test_without_a_word_no_options_are_sent(stand_in, photos):
    await run("submit", photos / "a.jpg", "--gateway", stand_in.base_url)
    assert stand_in.options == [None]


async def test_a_gateway_that_does_not_take_the_words_is_one_line_and_code_2(stand_in, photos):
    stand_in.refuse_options = True
    ended = await run("submit", photos, "--gateway", stand_in.base_url, "--batch-size", 1, "--title", "keep")
    assert (ended.code, ended.err) == (
        2,
        "gateway: the gateway does not take --title: metadata is not taken here.\n",
    )
    assert stand_in.batches == []


@pytest.mark.parametrize("sends_images", [True, False])
async def test_lost_connections_and_frames_left_out_lose_no_image(stand_in, photos, sends_images):
    stand_in.frames_per_connection = 1
    stand_in.sends_images = sends_images
    ended = await run("submit", without_bad(photos), "--gateway", stand_in.base_url)
    assert ended.lines[-1].startswith("2 of 2 tagged; ")
    assert len([line for line in ended.lines if line.startswith("[")]) == 2


async def test_a_password_in_the_address_is_not_printed(stand_in, photos):
    ended = await run("submit", photos, "--gateway", stand_in.base_url.replace("://", "://me:secret@"))
    assert f"see {stand_in.base_url}/batches/" in ended.lines[-1]
    assert "secret" not in ended.out + ended.err


@pytest.mark.parametrize(
    "url", ["ftp://me:secret@host", "http://me:secret@host:port", "http://me:sec/ret@host"]
)
async def test_nor_is_one_in_an_address_that_is_none(photos, url):
    ended = await run("submit", photos, "--gateway", url)
    assert (ended.code, "sec" in ended.out + ended.err) == (2, False)


async def test_a_proxy_that_asks_for_credentials_is_one_line_that_says_where_they_go(photos):
    async with web_server({"/healthz": answer(401, body=b"<html>")}) as site:
        ended = await run("submit", photos, "--gateway", site.url(""))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"gateway: a proxy before the gateway at {site.url('')} asks for credentials; they go into the address: "
        f"{site.url('').replace('://', '://NAME:PASSWORD@')} (HTTP status 401)\n"
    )


async def test_no_gateway_at_the_address_is_one_line_and_code_2(photos):
    url = f"http://127.0.0.1:{free_port()}"
    ended = await run("submit", photos, "--gateway", url)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"gateway: no gateway answers at {url}: Connection refused; "
        "--gateway URL or GATEWAY_URL names another address\n"
    )


async def test_another_web_server_is_one_line_and_code_2(photos):
    async with web_server({}) as site:
        ended = await run("submit", photos, "--gateway", site.url(""))
    assert ended.code == 2
    assert ended.err.startswith(f"gateway: there is no gateway at {site.url('')}, but another server")


async def test_without_an_address_the_gateway_of_the_settings_is_asked(stand_in, photos):
    port = stand_in.base_url.rpartition(":")[2]
    ended = await run("submit", photos / "a.jpg", env={"SERVER_PORT": port})
    assert (ended.code, len(stand_in.batches)) == (0, 1)


async def test_without_an_address_the_unix_socket_of_the_settings_is_asked(photos, tmp_path):
    async with stand_in_gateway(tmp_path / "s") as stand_in:
        settings = tmp_path / "gateway.toml"
        settings.write_text(f'[http]\ntcp = false\nsocket = "{tmp_path}/s"\n')
        ended = await run("submit", photos / "a.jpg", "--config", settings)
    (job_id,) = stand_in.jobs
    assert ended.code == 0
    assert ended.lines[-1] == f"1 of 1 tagged; for copies send with --output DIR, or see job {job_id}"


async def test_other_files_alone_are_named_when_there_is_nothing_to_send(tmp_path):
    (tmp_path / "a.tif").touch()
    ended = await run("submit", tmp_path)
    assert ended.err == "gateway: no JPEG or PNG files there; 1 other file passed over (1 .tif)\n"


async def test_nothing_to_send_is_code_2(tmp_path):
    ended = await run("submit", tmp_path)
    assert (ended.code, ended.err) == (2, "gateway: no JPEG or PNG files there\n")


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("/absent",),
        (".", "--no-follow", "--output", "x"),
        (".", "--colour"),
        (".", "--gateway", "http://"),
        (".", "--title", "shout"),
    ],
)
async def test_a_wrong_call_is_code_2(args):
    ended = await run("submit", *args)
    assert (ended.code, ended.out) == (2, "")


@define
class Terminal:
    """A command on a terminal of its own, and what it has shown so far."""

    process: asyncio.subprocess.Process
    descriptor: int
    shown: str = ""

    @classmethod
    async def start(cls, *args: object) -> Self:
        reader, writer = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *map(str, args),
            stdout=writer, stderr=writer, stdin=writer, env=clean_environment() | {"TERM": "xterm"},
        )  # fmt: skip
        os.close(writer)
        return cls(process, reader)

    async def until(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.shown:
                self.shown += (await asyncio.to_thread(os.read, self.descriptor, 65536)).decode()

    async def end(self) -> int:
        with suppress(OSError):  # the other side is closed
            await self.until("\0")
        os.close(self.descriptor)
        return await self.process.wait()

    @property
    def left(self) -> str:
        """What stands there after the bar was last wiped away."""
        return self.shown.rpartition(WIPED)[2]


async def test_a_terminal_shows_a_bar(stand_in, photos):
    terminal = await Terminal.start("submit", photos, "--gateway", stand_in.base_url)
    assert await terminal.end() == 1
    assert "3/3" in terminal.shown


async def test_on_a_terminal_a_failure_appears_once_and_the_summary_last(stand_in, photos):
    terminal = await Terminal.start("submit", photos, "--gateway", stand_in.base_url)
    await terminal.end()
    assert terminal.shown.count("This is not an image. (not_an_image)") == 1
    assert "2 of 3 tagged; for copies send with --output DIR" in terminal.left
    assert "3/3" not in terminal.left


async def test_on_a_terminal_ctrl_c_leaves_no_bar(stand_in, photos):
    stand_in.hang_after_frames = True
    terminal = await Terminal.start("submit", photos / "a.jpg", "--gateway", stand_in.base_url)
    await terminal.until("0/1")
    async with asyncio.timeout(PATIENCE_S):
        while not stand_in.positions:
            await asyncio.sleep(0.01)
    terminal.process.send_signal(signal.SIGINT)
    assert await terminal.end() == 130
    assert terminal.left.strip().startswith("Stopped.")
    assert "0/1" not in terminal.left


async def test_on_a_terminal_a_busy_gateway_is_told_at_the_bar(stand_in, photos):
    stand_in.busy_answers = 6
    terminal = await Terminal.start("submit", photos / "a.jpg", "--gateway", stand_in.base_url)
    await terminal.until("gateway busy, waiting")
    assert await terminal.end() == 0


async def test_ctrl_c_ends_it_quietly_and_tells_the_jobs(stand_in, photos):
    stand_in.hang_after_frames = True
    process = await start("submit", photos / "a.jpg", "--gateway", stand_in.base_url)
    async with asyncio.timeout(PATIENCE_S):
        assert process.stdout
        assert process.stderr
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        err = (await process.stderr.read()).decode()
    (job_id,) = stand_in.jobs
    assert err == f"Stopped. Jobs that were accepted go on without us: {job_id}\n"


# --- settings, health, version


async def test_config_prints_the_settings_in_force():
    ended = await run("config", env={"SERVER_PORT": "9000"})
    assert "port = 9000  # SERVER_PORT" in ended.lines


async def test_config_prints_the_settings_of_a_worker_when_it_is_asked_for_them():
    names = {"RABBITMQ_CONSUMER_QUEUE": "in", "HTTP_PORT": "9876"}
    ended = await run("config", "--worker", "processor", env=names)
    assert 'metadata_generated_queue = "in"  # RABBITMQ_CONSUMER_QUEUE' in ended.lines
    assert "http_port = 9876  # HTTP_PORT" in ended.lines
    assert "9876" not in (await run("config", env=names)).out


@pytest.mark.parametrize("command", [["serve"], ["worker", "analyzer"], ["config"], ["health"]], ids=" ".join)
async def test_a_wrong_setting_is_one_line_and_code_2(command):
    ended = await run(*command, env={"GATEWAY_HTTP_PROT": "1"})
    assert (ended.code, ended.out) == (2, "")
    assert (
        ended.err == "gateway: GATEWAY_HTTP_PROT: there is no such setting; did you mean GATEWAY_HTTP_PORT?\n"
    )


async def test_health_is_good_while_the_gateway_answers(stand_in):
    port = stand_in.base_url.rpartition(":")[2]
    ended = await run("health", env={"SERVER_PORT": port})
    assert (ended.code, ended.out) == (0, "healthy\n")


async def test_health_is_bad_when_nobody_answers():
    port = free_port()
    ended = await run("health", env={"SERVER_PORT": str(port)})
    assert ended.code == 1
    assert ended.err == f"gateway: not healthy: http://127.0.0.1:{port}: Connection refused\n"


async def test_health_of_a_worker_is_asked_at_the_port_of_its_own(stand_in):
    port = stand_in.base_url.rpartition(":")[2]
    environment = {"HTTP_PORT": port, "SERVER_PORT": str(free_port())}
    assert (await run("health", "--worker", "analyzer", env=environment)).code == 0
    assert (await run("health", env=environment)).code == 1


async def test_a_worker_without_a_broker_is_one_line_and_code_2():
    ended = await run("worker", "analyzer")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "gateway: an analyzer of its own needs a broker that other processes reach: broker.kind = rabbitmq, with "
        "its address in RABBITMQ_URL\n"
    )


async def test_a_worker_of_no_role_is_code_2():
    ended = await run("worker", "painter")
    assert (ended.code, ended.out) == (2, "")


async def test_half_of_production_mode_is_one_line_and_code_2():
    ended = await run("serve", env={"RABBITMQ_URL": "amqp://mq"})
    assert ended.code == 2
    assert ended.err.startswith("gateway: RABBITMQ_URL is set and MINIO_ENDPOINT is not")
    assert ended.err.count("\n") == 1


async def test_health_asks_the_unix_socket_when_there_is_no_tcp(tmp_path):
    async with stand_in_gateway(tmp_path / "s"):
        ended = await run("health", env={"GATEWAY_HTTP_TCP": "no", "GATEWAY_HTTP_SOCKET": f"{tmp_path}/s"})
        assert ended.code == 0


async def test_no_command_is_cut_short_in_the_help():
    ended = await run("--help", env={"COLUMNS": "80"})
    commands = ended.out.partition("Commands:")[2]
    assert "demo" in commands
    assert "..." not in commands


async def test_the_help_tells_that_a_second_run_writes_beside_the_first():
    ended = await run("submit", "--help")
    assert "a second run writes lake-2.jpeg beside lake.jpeg" in " ".join(ended.out.split())


async def test_the_version_is_told():
    assert (await run("--version")).out.startswith("gateway, version ")
