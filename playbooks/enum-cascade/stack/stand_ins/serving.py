"""What the stand-ins share: a small HTTP server that says what it is."""

import os
import ssl
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request: its path, the query's parameters (first value of each) and the body."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What is sent back."""

    body: bytes
    kind: str = "application/json"
    status: int = 200


Route = Callable[[Asked], Answer]


def serve(
    port: int,
    about: str,
    routes: Mapping[str, Route],
    *,
    tls: ssl.SSLContext | None = None,
    first: Callable[[], None] = lambda: None,
) -> None:
    """Serve the routes (key: a path or, when it ends in /, what a path begins with) until a signal comes.

    `/` says that this is a stand-in, unless a route takes it; so does the first line of the log.
    It listens on 127.0.0.1, or where HOST says: a container's port is published from all its addresses. With
    `tls` it speaks nothing else. `first` is done once the log has begun, and before anything is answered.
    """
    host = os.environ.get("HOST", "127.0.0.1")
    known = {"/": lambda _: Answer(f"stand-in: {about}\n".encode(), "text/plain; charset=utf-8"), **routes}

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            route = _route(known, parts.path)
            if route is None:
                return self._send(Answer(b"not found\n", "text/plain", 404))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            return self._send(route(Asked(parts.path, query, dict(self.headers), body)))

        do_GET = do_POST = _answer  # noqa: N815 - http.server looks for these names

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes and probes are not worth a line."""

    print(f"stand-in: {about}; listening on {host}:{port}", flush=True)
    first()
    server = Server((host, port), Handler)
    if tls:  # the handshake is left to the thread of its connection: a client that hangs delays no other
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


class Server(ThreadingHTTPServer):
    """One thread for each connection."""

    def handle_error(self, request: object, client_address: tuple[str, int]) -> None:
        """A line for a handshake that failed, as a real server writes it; a traceback for the rest."""
        failure = sys.exception()
        if not isinstance(failure, OSError):
            return super().handle_error(request, client_address)
        host, port = client_address
        return print(f"http: connection error from {host}:{port}: {failure}", flush=True)


def _route(routes: Mapping[str, Route], path: str) -> Route | None:
    if path in routes:
        return routes[path]
    return next((routes[key] for key in routes if key != "/" and key.endswith("/") and path.startswith(key)), None)


def port_of(arguments: list[str] | None = None) -> int:
    """The port: the program's only argument."""
    (port,) = sys.argv[1:] if arguments is None else arguments
    return int(port)
