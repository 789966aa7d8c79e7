from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from authorities import Pair, authority
from ports import free_port
from servers import answer, site

from recover.runtimes.ready import Command, Http, Https, Redis, Sql, Tcp

if TYPE_CHECKING:
    from recover.postgres.session import Server


@contextmanager
def talker(*says: bytes) -> Iterator[int]:
    """A server that answers each of its connections with the next line and hangs up."""

    def serve() -> None:
        for line in says:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                connection.sendall(line)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@contextmanager
def https_site(folder: Path, pair: Pair) -> Iterator[int]:
    """A web server over TLS that answers everything with 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(folder, "served"))
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.postgres
def test_sql_is_ready_when_a_query_works_as_that_role_on_that_database(database: Server, tmp_path: Path) -> None:
    password = tmp_path / "password"
    assert database.password
    password.write_text(database.password.reveal() + "\n")
    assert Sql(database.dbname, "app", password).ask(database.port) == ""
    assert "does not exist" in Sql("no_such_database", "app", password).ask(database.port)
    password.write_text("wrong")
    assert "password authentication failed" in Sql(database.dbname, "app", password).ask(database.port)
    assert "No such file" in Sql(database.dbname, "app", tmp_path / "none").ask(database.port)


def test_http_is_ready_when_the_path_answers_2xx() -> None:
    with site(lambda asked: answer(204) if asked.path == "/health" else answer(503, "warming up")) as here:
        port = int(here.url.rpartition(":")[2])
        assert Http("/health").ask(port) == ""
        assert Http("/other").ask(port) == "HTTP 503: warming up"
    assert "refused" in Http("/health").ask(port)


def test_https_is_ready_when_its_certificate_is_good_and_the_path_answers(tmp_path: Path) -> None:
    trusted, other = authority(), authority("Other CA")
    ca, _ = trusted.write(tmp_path, "ca")

    def ask(pair: Pair) -> str:
        with https_site(tmp_path, pair) as port:
            return Https("/ready", ca).ask(port)

    assert ask(trusted.leaf("127.0.0.1")) == ""
    assert "certificate has expired" in ask(trusted.leaf("127.0.0.1", begin=-9, end=-1))
    assert "not valid for '127.0.0.1'" in ask(trusted.leaf("localhost"))
    assert "certificate verify failed" in ask(other.leaf("127.0.0.1"))
    assert "refused" in Https("/ready", ca).ask(free_port())
    assert "the authority's file: " in Https("/ready", tmp_path / "none").ask(free_port())


def test_redis_is_ready_when_it_answers_pong() -> None:
    with talker(b"+PONG\r\n", b"-LOADING data is loading\r\n", b"") as port:
        assert Redis().ask(port) == ""
        assert Redis().ask(port) == "-LOADING data is loading"
        assert Redis().ask(port) == "it hung up without an answer"
    assert Redis().ask(free_port()) == "Connection refused"


def test_tcp_is_ready_when_a_connection_is_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert Tcp().ask(listening.getsockname()[1]) == ""
    assert Tcp().ask(free_port()) == "Connection refused"


def test_a_command_is_ready_when_it_ends_with_0_and_says_its_last_line_otherwise(tmp_path: Path) -> None:
    def command(*argv: str) -> str:
        return Command(argv, tmp_path, {"PATH": "/usr/bin:/bin", "A": "b"}).ask(0)

    assert command("/bin/sh", "-c", 'test "$A" = b') == ""
    assert command("/bin/sh", "-c", "echo one; echo two >&2; exit 3") == "/bin/sh ended with code 3: two"
    assert command("/no/such/program") == "/no/such/program: No such file or directory"
