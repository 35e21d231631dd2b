"""Real S3 servers, each a process of its own on a free port: rclone over a folder, and moto in memory.

    with running_rclone(tmp_path) as server:
        settings = ObjectStoreSettings(kind="s3", **server.options())
        server.kill()
        server.restart()

Two, since each has its ways: rclone checks signatures and keeps its objects over a kill; moto forgets everything,
but knows what rclone does not. Tests that only use a server take the fixtures `rclone` and `moto`, which run one of
each for the whole session, with buckets of their own: `options()` names new ones at each call. It shares no code
with the gateway.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from attrs import define, field, frozen

from tests.free_ports import free_port

HOST = "127.0.0.1"
ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"
START_S = 120.0
STOP_S = 10.0


@frozen
class Certificate:
    """PEM files of a server that speaks TLS."""

    cert: Path
    key: Path


@define(eq=False)
class S3Server:
    """A server that can be started, stopped, killed and started again on the same port."""

    folder: Path
    """Its log, and what else is its own."""
    port: int
    _program: Sequence[str]
    is_tls: bool = False
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def endpoint(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.is_tls else ''}://{self.endpoint}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def options(self) -> dict[str, Any]:
        """For the settings of an object store, with buckets that nobody else uses."""
        name = uuid4().hex[:12]
        return {
            "endpoint": self.endpoint,
            "tls": self.is_tls,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "original_bucket": f"original-{name}",
            "processed_bucket": f"processed-{name}",
        }

    def start(self) -> None:
        """Returns once it takes connections."""
        assert self._process is None
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._program, stdout=log, stderr=log, env=self._environment())
        give_up_at = time.monotonic() + START_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                raise RuntimeError(f"the S3 server did not start: {self._last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """By SIGTERM."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """By SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def _environment(self) -> dict[str, str]:
        """Nothing of ours that such a program would read."""
        return {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "TMPDIR": str(self.folder)}

    def _listens(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), 1).close()
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]


@contextmanager
def running_rclone(
    folder: Path, *, certificate: Certificate | None = None, is_started: bool = True
) -> Iterator[S3Server]:
    """Buckets are folders of `folder / "data"`."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    program = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--addr", f"{HOST}:{port}"]
    program += ["--config", "", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    if certificate is not None:
        program += ["--cert", str(certificate.cert), "--key", str(certificate.key)]
    server = S3Server(folder, port, [*program, str(data)], is_tls=certificate is not None)
    yield from _running(server, is_started=is_started)


@contextmanager
def running_moto(
    folder: Path, *, certificate: Certificate | None = None, is_started: bool = True
) -> Iterator[S3Server]:
    """Keeps all in memory, and takes any key."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    program = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    if certificate is not None:
        program += ["-c", str(certificate.cert), "-k", str(certificate.key)]
    server = S3Server(folder, port, program, is_tls=certificate is not None)
    yield from _running(server, is_started=is_started)


def _running(server: S3Server, *, is_started: bool) -> Iterator[S3Server]:
    try:
        if is_started:
            server.start()
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def plain_client(server: S3Server, **options: Any) -> AsyncIterator[Any]:
    """aiobotocore's client, to look at what a store has done; as it comes, but for these options of its config."""
    from aiobotocore.config import AioConfig

    async with _session().create_client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=AioConfig(**options),
    ) as client:
        yield client


async def keys_in(server: S3Server, bucket: str) -> list[str]:
    """What lies in the bucket, a thousand of it at most."""
    async with plain_client(server) as client:
        listed = await client.list_objects_v2(Bucket=bucket)
    return [each["Key"] for each in listed.get("Contents", ())]


async def uploads_in(server: S3Server, bucket: str) -> list[str]:
    """The keys of what is being put in parts, and neither completed nor aborted."""
    from botocore.exceptions import ClientError

    async with plain_client(server) as client:
        try:
            listed = await client.list_multipart_uploads(Bucket=bucket)
        except ClientError:  # so rclone says that there are none
            return []
    return [each["Key"] for each in listed.get("Uploads", ())]


@cache
def _session() -> Any:
    """One, for each reads all that botocore knows of S3; imported by those alone who ask for it."""
    from aiobotocore.session import get_session

    return get_session()


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Shared by all tests of this process: use buckets of your own, and leave it running."""
    with running_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Shared by all tests of this process: use buckets of your own, and leave it running."""
    with running_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server
