"""What stands between a client and PostgreSQL and takes no command-line options, as PgBouncer in its first message.

Sources: PostgreSQL documentation, "Message Formats" (StartupMessage, SSLRequest, ErrorResponse); PgBouncer 1.18, which
says "unsupported startup parameter: options".
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from recover.postgres.session import Server

SSL, GSS = 80877103, 80877104
REFUSAL = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0"


@contextmanager
def refusing_options(server: Server) -> Iterator[Server]:
    """The server as clients reach it through such a pooler."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, server), daemon=True).start()
        yield replace(server, host="127.0.0.1", port=listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, server: Server) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=(client, server), daemon=True).start()


def _serve(client: socket.socket, server: Server) -> None:
    with client, suppress(OSError):
        while True:
            head = client.recv(8, socket.MSG_WAITALL)
            if len(head) < 8:
                return
            length, code = struct.unpack("!II", head)
            if code not in (SSL, GSS):
                break
            client.sendall(b"N")
        told = client.recv(length - 8, socket.MSG_WAITALL) if length > 8 else b""
        if b"options" in told.split(b"\0")[::2]:
            client.sendall(b"E" + struct.pack("!I", len(REFUSAL) + 4) + REFUSAL)
            return
        with socket.create_connection((server.host, server.port)) as behind:
            behind.sendall(head + told)
            back = threading.Thread(target=_hand_on, args=(behind, client), daemon=True)
            back.start()
            _hand_on(client, behind)
            back.join()


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
