"""A server that means ill: nothing it does takes longer than the deadline, or more memory than the limit."""

from __future__ import annotations

import gzip
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from recover.answers import BODY_LIMIT
from recover.errors import Unreachable
from recover.web import HttpWeb

DEADLINE = 0.4
FOR_EVER = 60.0
SLACK = 20.0
"""Seconds that a busy machine may be late; far fewer than what the servers here can go on for."""
Answer = Callable[[socket.socket], None]


@contextmanager
def hostile(answer: Answer, *, hear: bool = True) -> Iterator[tuple[str, list[bytes]]]:
    heard: list[bytes] = []
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                line, _ = server.accept()
                with line, suppress(OSError):
                    line.settimeout(3.0)
                    if hear:
                        heard.append(line.recv(65536))
                    answer(line)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/", heard
        finally:
            ended.set()
            thread.join()


def drip(text: bytes, every: float = 0.05) -> Answer:
    def answer(line: socket.socket) -> None:
        until = time.monotonic() + FOR_EVER
        while time.monotonic() < until:
            for byte in text:
                line.sendall(bytes([byte]))
                time.sleep(every)

    return answer


def flood(head: bytes, again: bytes) -> Answer:
    def answer(line: socket.socket) -> None:
        line.sendall(head)
        until = time.monotonic() + FOR_EVER
        while time.monotonic() < until:
            line.sendall(again)
            time.sleep(0.01)

    return answer


def mute(line: socket.socket) -> None:
    line.settimeout(FOR_EVER)
    while line.recv(65536):  # until the other side hangs up
        pass


HEAD = b"HTTP/1.1 200 OK\r\n"
NEVER = {
    "it says nothing": mute,
    "headers of a byte at a time": drip(HEAD + b"X-Long: " + b"a" * 500),
    "headers without an end": flood(HEAD, b"X-More: and more\r\n"),
    "interim answers without an end": flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "100 Continue without an end": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body that drips": flood(HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "chunks without an end": flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a chunk's extension without an end": flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;a", b"a"),
    "trailers without an end": flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"A: b\r\n"),
    "a gzip body that holds nothing": flood(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n" + gzip.compress(b""), b"\0"
    ),
}


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """The libraries are imported by the first request, and that is no server's doing."""
    with hostile(lambda line: line.sendall(HEAD + b"Content-Length: 0\r\n\r\n")) as (url, _):
        HttpWeb().get(url)


@pytest.mark.parametrize("answer", NEVER.values(), ids=NEVER)
def test_one_deadline_is_over_the_whole_exchange(answer: Answer) -> None:
    with hostile(answer) as (url, _):
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no answer"):
            HttpWeb().get(url, timeout=DEADLINE)
        assert time.monotonic() - began < DEADLINE + SLACK


def test_a_handshake_that_is_not_answered_ends_in_time() -> None:
    with hostile(mute) as (url, _):
        began = time.monotonic()
        with pytest.raises(Unreachable):
            HttpWeb().get(url.replace("http:", "https:"), timeout=DEADLINE)
        assert time.monotonic() - began < DEADLINE + SLACK


def test_a_handshake_that_drips_ends_in_time_for_a_request_and_for_a_look_at_the_certificate() -> None:
    record = b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + b"a" * 500
    with hostile(drip(record)) as (url, _):
        port = int(url.rpartition(":")[2].strip("/"))
        for ask in (
            lambda: HttpWeb().get(f"https://127.0.0.1:{port}/", timeout=DEADLINE),
            lambda: HttpWeb().certificates("127.0.0.1", port, timeout=DEADLINE),
        ):
            began = time.monotonic()
            with pytest.raises(Unreachable):
                ask()
            assert time.monotonic() - began < DEADLINE + SLACK


def test_a_name_that_takes_long_to_resolve_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real, answered = socket.getaddrinfo, threading.Event()

    def slow(*words: object, **more: object) -> object:
        answered.wait(FOR_EVER)
        return real(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    for ask in (
        lambda: HttpWeb().get("http://localhost:9/", timeout=DEADLINE),
        lambda: HttpWeb().certificates("localhost", 9, timeout=DEADLINE),
    ):
        began = time.monotonic()
        with pytest.raises(Unreachable):
            ask()
        assert time.monotonic() - began < DEADLINE + SLACK
    answered.set()


def test_a_thread_of_a_request_that_ran_out_of_time_ends() -> None:
    with hostile(drip(HEAD + b"a" * 100)) as (url, _):
        with pytest.raises(Unreachable):
            HttpWeb().get(url, timeout=DEADLINE)
        until = time.monotonic() + SLACK
        while any(each.name == "exchange" for each in threading.enumerate()) and time.monotonic() < until:
            time.sleep(0.02)
        assert not [each.name for each in threading.enumerate() if each.name == "exchange"]


def bomb(layers: int) -> bytes:
    data = gzip.compress(bytes(100_000_000), 1)
    for _ in range(layers - 1):
        data = gzip.compress(data)
    return data


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_a_gzip_bomb_takes_no_memory(coding: str) -> None:
    body = bomb(coding.count("gzip"))
    head = HEAD + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with hostile(lambda line: line.sendall(head + body)) as (url, _):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reply = HttpWeb().get(url, timeout=5.0)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(reply.text) <= BODY_LIMIT
    assert grown < 20_000  # KiB


def test_a_body_that_came_compressed_is_read() -> None:
    body = gzip.compress(b'{"status": "ok"}')
    head = HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with hostile(lambda line: line.sendall(head + body)) as (url, heard):
        assert HttpWeb().get(url).json() == {"status": "ok"}
        assert b"accept-encoding: identity" in heard[0].lower()


def test_huge_headers_are_refused() -> None:
    with hostile(flood(HEAD, b"X-Big: " + b"a" * 60_000 + b"\r\n")) as (url, _), pytest.raises(Unreachable):
        HttpWeb().get(url, timeout=2.0)


def test_the_environment_names_no_proxy_and_no_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / ".netrc"
    netrc.write_text("default login mallory password stolen\n")
    answer = HEAD + b"Content-Length: 2\r\n\r\nok"
    with hostile(lambda line: line.sendall(answer)) as (url, heard), hostile(mute) as (proxy, asked):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(netrc.parent))
        assert HttpWeb().get(url).text == "ok"
    assert not asked
    assert b"authorization" not in heard[0].lower()


def test_the_environment_names_no_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ssl itself reads (SSL_CERT_FILE) is the machine's word on whom to trust; that is left to it and said."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere")
    with hostile(lambda line: line.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")) as (url, _):
        assert HttpWeb().get(url).status == 200


def test_credentials_do_not_follow_a_redirect_to_another_origin() -> None:
    with hostile(mute) as (other, asked):
        head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other}\r\nContent-Length: 0\r\n\r\n".encode()
        with hostile(lambda line: line.sendall(head)) as (url, _):
            reply = HttpWeb().sign_in(url, {"password": "x"}, headers={"Authorization": "Bearer x"})
    assert (reply.status, asked) == (307, [])
