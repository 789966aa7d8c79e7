"""The health check of the application's containers, against servers that answer, refuse, are silent or no server."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ports import free_port
from servers import answer, site

STACK = Path(__file__).parents[3] / "playbooks" / "enum-cascade" / "stack"


def check(url: str) -> tuple[int, str]:
    """Its exit code and what it said."""
    words = [sys.executable, "-m", "aiwfe.healthcheck", url]
    done = subprocess.run(words, cwd=STACK, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("status", [200, 204, 302])
def test_an_answer_below_400_is_healthy(status: int) -> None:
    with site(lambda asked: answer(status if asked.path == "/api/health" else 404)) as server:
        assert check(f"{server.url}/api/health") == (0, str(status))
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/api/health")]


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_error_is_not_and_says_why(status: int) -> None:
    with site(lambda _: answer(status, "no such relation: users\n" + "x" * 500)) as server:
        code, said = check(f"{server.url}/")
    assert code == 1
    assert said == f"{server.url}/ answers {status}: no such relation: users\n{'x' * 176}"


def test_what_does_not_answer_is_not() -> None:
    url = f"http://127.0.0.1:{free_port()}/health"
    assert check(url) == (1, f"{url} does not answer: [Errno 111] Connection refused")


def test_one_that_accepts_and_is_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/health"
        assert check(url) == (1, f"{url} does not answer: timed out")


def test_one_that_speaks_no_http_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/health"
        assert check(url) == (1, f"{url} does not answer: it says no HTTP")
        thread.join()
