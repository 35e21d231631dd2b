"""Follows a job with Python's standard library alone: python by_hand.py HOST PORT PATH

Prints each message as a line, answers pings and the goodbye, and ends with a line that tells the close code.
"""

import base64
import os
import socket
import struct
import sys
from typing import BinaryIO

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_SILENCE_S = 50


def main(host: str, port: str, path: str) -> None:
    with (
        socket.create_connection((host, int(port)), timeout=_SILENCE_S) as connection,
        connection.makefile("rb") as stream,
    ):
        _shake_hands(connection, stream, host, path)
        while True:
            opcode, payload = _frame(stream)
            if opcode == _TEXT:
                print(payload.decode(), flush=True)
            elif opcode == _PING:
                _send(connection, _PONG, payload)
            elif opcode == _CLOSE:
                _send(connection, _CLOSE, payload)
                print("closed", *struct.unpack("!H", payload[:2]))
                return


def _shake_hands(connection: socket.socket, stream: BinaryIO, host: str, path: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    status = stream.readline()
    while stream.readline().strip():
        pass
    if b" 101 " not in status:
        sys.exit(status.decode())


def _frame(stream: BinaryIO) -> tuple[int, bytes]:
    first, size = stream.read(2)
    if size == 126:
        (size,) = struct.unpack("!H", stream.read(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", stream.read(8))
    return first & 0x0F, stream.read(size)


def _send(connection: socket.socket, opcode: int, payload: bytes) -> None:
    key = os.urandom(4)
    masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
    connection.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + key + masked)


if __name__ == "__main__":
    main(*sys.argv[1:])
