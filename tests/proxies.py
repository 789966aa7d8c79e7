"""Small servers between a client and the Docker engine: what was asked is written down, and may be refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

SOCKET = "/var/run/docker.sock"
READING = ("GET", "HEAD")
NOTE = b'{"message": "only reading is allowed here"}'
REFUSED = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(NOTE), NOTE)


@dataclass
class Proxy:
    """A TCP server before the engine's socket. Each connection carries one request, so that all are seen."""

    port: int
    reading: bool
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        """Hand on one request with "Connection: close", so that the next one comes on a connection of its own."""
        with client, suppress(OSError):
            head, _, rest = _head(client).partition(b"\r\n")
            said = " ".join(head.decode("latin-1").split()[:2])
            if not said:
                return
            self.asked.append(said)
            if self.reading and said.split()[0] not in READING:
                self.refused.append(said)
                client.sendall(REFUSED)
                return
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(SOCKET)
                engine.sendall(head + b"\r\nConnection: close\r\n" + _without_connection(rest))
                _both_ways(client, engine)


@contextmanager
def proxy(*, reading: bool = False) -> Iterator[Proxy]:
    """A proxy on a free port; with `reading` it refuses whatever could change something."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Proxy(server.getsockname()[1], reading)
        threading.Thread(target=_accept, args=(server, made), daemon=True).start()
        yield made
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, made: Proxy) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=made.serve, args=(client,), daemon=True).start()


def _head(client: socket.socket) -> bytes:
    """The request line and headers, and what came with them."""
    said = b""
    while b"\r\n\r\n" not in said and (more := client.recv(65536)):
        said += more
    return said


def _without_connection(rest: bytes) -> bytes:
    headers, _, body = rest.partition(b"\r\n\r\n")
    kept = [line for line in headers.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def _both_ways(client: socket.socket, engine: socket.socket) -> None:
    there = threading.Thread(target=_copy, args=(client, engine), daemon=True)
    there.start()
    _copy(engine, client)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while more := source.recv(65536):
            sink.sendall(more)
        sink.shutdown(socket.SHUT_WR)
