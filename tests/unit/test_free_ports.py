"""tests.free_ports: what tests start may count on its port."""

import socket

from tests import free_ports


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
