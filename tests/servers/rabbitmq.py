"""A private RabbitMQ node, for tests that need a real broker: data, ports, cookie and name service of its own.

    async with running_rabbitmq(tmp_path / "rabbitmq") as node:
        node.url                                     # amqp://guest:guest@127.0.0.1:.../%2F
        await node.kill()                            # SIGKILL
        await node.start()                           # what was persistent is still there
        await node.ctl("list_queues", "name", "messages")

Most tests share one node and have a virtual host each: the fixture `rabbitmq_url`. A test that kills or blocks the
node starts its own. Node and name service end when this process does, however that happens: both read from a pipe
of ours and end with it.
"""

import asyncio
import itertools
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
from attrs import define, field, frozen

from tests.free_ports import free_port

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
HOST = "127.0.0.1"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
ASK_TIMEOUT_S = 120

# Reads until our end of the pipe closes, by whatever cause.
NAME_SERVICE = 'epmd -port "$ERL_EPMD_PORT" & read -r _; kill $!'


@frozen
class Certificates:
    """PEM files of a node that speaks TLS."""

    chain: Path
    key: Path
    authority: Path


@frozen
class Depth:
    """Messages of a queue."""

    ready: int
    unacked: int
    """In somebody's hands."""
    consumers: int


@define(eq=False)
class RabbitMQ:
    """One node; it may be stopped, killed and started again."""

    folder: Path
    certificates: Certificates | None = None
    port: int = field(factory=free_port)
    tls_port: int = field(factory=free_port)
    _name_port: int = field(factory=free_port)
    _distribution_port: int = field(factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _vhosts: Iterator[int] = field(factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return self.url_for("/")

    @property
    def tls_url(self) -> str:
        return f"amqps://guest:guest@localhost:{self.tls_port}/%2F"

    def url_for(self, vhost: str) -> str:
        return f"amqp://guest:guest@{HOST}:{self.port}/{vhost.replace('/', '%2F')}"

    async def start(self) -> None:
        """Returns once it takes connections."""
        self.launch()
        await asyncio.to_thread(self.wait_until_up)

    async def stop(self) -> None:
        """In good order: connections are closed, data is written."""
        await asyncio.to_thread(self.end, signal.SIGTERM)

    async def kill(self) -> None:
        """At once, as a crash does."""
        await asyncio.to_thread(self.end, signal.SIGKILL)

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    def pause(self) -> None:
        """It hangs: connections stay, nothing answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    async def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints."""
        command = [str(PROGRAMS / "rabbitmqctl"), "--quiet", *arguments]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {arguments}: {done.stdout}{done.stderr}")
        return str(done.stdout)

    def add_vhost(self) -> str:
        """A new virtual host in which `guest` may do all: its name."""
        vhost = f"test-{next(self._vhosts)}"
        everything = '<<".*">>, <<".*">>, <<".*">>'
        self._evaluate(
            f'rabbit_vhost:add(<<"{vhost}">>, <<"tests">>)',
            f'rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"{vhost}">>, {everything}, <<"tests">>)',
        )
        return vhost

    def remove_vhost(self, vhost: str) -> None:
        """With all its queues; its connections are closed."""
        self._evaluate(f'rabbit_vhost:delete(<<"{vhost}">>, <<"tests">>)')

    def wreck_queue(self, vhost: str, queue: str) -> None:
        """It crashes again and again, until the broker starts it no more; declared, it answers not for a minute."""
        name = f'rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)'
        crash = f"{{ok, Queue}} = rabbit_amqqueue:lookup({name}), exit(amqqueue:get_pid(Queue), kill)"
        self._evaluate(f"[begin {crash}, timer:sleep(20) end || _ <- lists:seq(1, 20)]")

    def clear_wreck(self, vhost: str, queue: str) -> None:
        """As an operator does; whoever declares it next makes it anew."""
        name = f'rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)'
        self._evaluate(
            f"{{ok, Wreck}} = rabbit_amqqueue:lookup({name}), rabbit_amqqueue:delete_crashed(Wreck)"
        )

    async def depths(self, vhost: str) -> dict[str, Depth]:
        """Of all its queues, by name."""
        items = ("messages_ready", "messages_unacknowledged", "consumers")
        listing = (
            '[io:format("depth ~s ~b ~b ~b~n", [Name, Ready, Unacked, Consumers])'
            " || [{name, {resource, _, queue, Name}}, {_, Ready}, {_, Unacked}, {_, Consumers}]"
            f' <- rabbit_amqqueue:info_all(<<"{vhost}">>, [name, {", ".join(items)}])]'
        )
        printed = await asyncio.to_thread(self._evaluate, listing)
        found = re.findall(r"depth (\S+) (\d+) (\d+) (\d+)$", printed, re.MULTILINE)
        return {name: Depth(*map(int, figures)) for name, *figures in found}

    @contextmanager
    def impatience(self, within_s: float) -> Iterator[None]:
        """Channels that begin meanwhile are closed when a message is left unsettled for that long."""
        milliseconds = int(within_s * 1000)
        for name in ("consumer_timeout", "channel_tick_interval"):
            self._evaluate(
                f"application:set_env(rabbit, usual_{name}, application:get_env(rabbit, {name}, undefined))",
                f"application:set_env(rabbit, {name}, {milliseconds})",
            )
        try:
            yield
        finally:
            for name in ("consumer_timeout", "channel_tick_interval"):
                self._evaluate(
                    f"application:set_env(rabbit, {name}, application:get_env(rabbit, usual_{name}, undefined))"
                )

    def launch(self) -> None:
        """Start the process, and wait for nothing."""
        self._write_configuration()
        with (self.folder / "console").open("ab") as console:
            self._process = subprocess.Popen(
                [PROGRAMS / "rabbitmq-server"],
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
            )

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not listens(self.tls_port if self.certificates else self.port):
            if self._running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ does not start: {self._last_words()}")
            time.sleep(0.02)
        self._evaluate("rabbit:await_startup()")

    def end(self, how: signal.Signals) -> None:
        """End the process, and wait for its end."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process = None

    @contextmanager
    def name_service(self) -> Iterator[None]:
        """Erlang's epmd, by which the node and `rabbitmqctl` find each other."""
        service = subprocess.Popen(
            ["sh", "-c", NAME_SERVICE],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not listens(self._name_port):
                time.sleep(0.01)
            yield
        finally:
            assert service.stdin is not None
            service.stdin.close()
            service.wait()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the node is not running"
        return self._process

    def _evaluate(self, *expressions: str) -> str:
        """In the node's own Erlang shell: `rabbitmqctl` takes a second of the processor for each word.

        What they print.
        """
        mark = f"done-{time.monotonic_ns()}"
        begin = (self.folder / "console").stat().st_size
        console = self._running.stdin
        assert console is not None
        console.write(f'{", ".join(expressions)}, io:format("~s~s~n", ["{mark}", "!"]).\n'.encode())
        console.flush()
        deadline = time.monotonic() + ASK_TIMEOUT_S
        while f"{mark}!" not in (printed := self._console(begin)):
            if self._running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ does not answer: {self._console()[-4000:]}")
            time.sleep(0.005)
        return printed

    def _console(self, begin: int = 0) -> str:
        """What it wrote there, from that byte on."""
        with (self.folder / "console").open("rb") as console:
            console.seek(begin)
            return console.read().decode(errors="replace")

    def _last_words(self) -> str:
        logs = [path.read_text(errors="replace") for path in sorted((self.folder / "log").glob("*.log"))]
        return "\n".join(text[-4000:] for text in [self._console(), *logs])

    def _write_configuration(self) -> None:
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        (self.folder / "plugins").write_text("[].\n")
        lines = [f"listeners.tcp.default = {HOST}:{self.port}", "log.console = false"]
        if self.certificates:
            lines += [
                f"listeners.ssl.default = {HOST}:{self.tls_port}",
                f"ssl_options.cacertfile = {self.certificates.authority}",
                f"ssl_options.certfile = {self.certificates.chain}",
                f"ssl_options.keyfile = {self.certificates.key}",
            ]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder / "home"),
            "ERL_EPMD_PORT": str(self._name_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"tests-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "ERL_CRASH_DUMP_SECONDS": "0",  # no dump where the tests happen to run
            "RABBITMQ_ALLOW_INPUT": "1",  # a shell on standard input, at whose end the node ends
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +A 8 -start_epmd false",
        }


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def rabbitmq_node(folder: Path, certificates: Certificates | None = None) -> Iterator[RabbitMQ]:
    """A running node, for those who can't await; its files lie in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    node = RabbitMQ(folder, certificates)
    with ExitStack() as stack:
        stack.enter_context(node.name_service())
        stack.callback(node.end, signal.SIGKILL)
        node.launch()
        node.wait_until_up()
        yield node


@asynccontextmanager
async def running_rabbitmq(folder: Path, certificates: Certificates | None = None) -> AsyncIterator[RabbitMQ]:
    """A running node that belongs to one test."""
    node = rabbitmq_node(folder, certificates)
    started = await asyncio.to_thread(node.__enter__)
    try:
        yield started
    finally:
        await asyncio.to_thread(node.__exit__, None, None, None)


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """The node that the tests of this process share: nobody may stop or block it."""
    with rabbitmq_node(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node


@pytest.fixture
def rabbitmq_vhost(rabbitmq: RabbitMQ) -> Iterator[str]:
    """The name of an empty virtual host of the shared node."""
    vhost = rabbitmq.add_vhost()
    yield vhost
    rabbitmq.remove_vhost(vhost)


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ, rabbitmq_vhost: str) -> str:
    """Of an empty virtual host of the shared node."""
    return rabbitmq.url_for(rabbitmq_vhost)
