"""Asks the gateway of this machine whether it is alive. Small and quick, for container runtimes run it all day."""

import http.client
import socket

from gateway.settings import HttpSettings
from gateway.shell.address import host_of

PATIENCE_S = 3.0


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(settings: HttpSettings) -> None:
    """Returns when the gateway is alive. Raises OSError."""
    connection = _connection(settings)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(f"what answers there speaks no HTTP: {error!r}") from error
    finally:
        connection.close()
    if status != http.client.OK:
        raise OSError(f"it answers with status {status}")


def _connection(settings: HttpSettings) -> http.client.HTTPConnection:
    if not settings.tcp:
        return _OverSocket(settings.socket)
    return http.client.HTTPConnection(host_of(settings), settings.port, timeout=PATIENCE_S)
