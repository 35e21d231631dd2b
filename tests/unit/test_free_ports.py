"""tests.free_ports: what tests start may count on its port."""

import socket
import subprocess
import sys

from tests import free_ports

ANOTHER_RUN = """
import sys
from tests import free_ports
free_ports._next_ports = map(int, sys.argv[1:])
print(free_ports.free_port())
"""


def test_ports_lie_below_those_of_outgoing_connections():
    assert all(1024 < free_ports.free_port() < 32768 for _ in range(50))


def test_no_port_is_given_twice():
    ports = [free_ports.free_port() for _ in range(50)]
    assert len(set(ports)) == 50


def test_a_port_in_use_is_passed_over(monkeypatch):
    taken, free = free_ports.free_port(), free_ports.free_port()
    monkeypatch.setattr(free_ports, "_next_ports", iter([taken, free]))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports.free_port() == free


def test_a_port_that_another_run_was_given_is_passed_over_though_nothing_listens_there_yet(pytestconfig):
    ours, free = free_ports.free_port(), 15_999
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_RUN, str(ours), str(free)],
        cwd=pytestconfig.rootpath, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) == free
