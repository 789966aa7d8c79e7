"""Which engine is meant, and what is said when it does not answer."""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from engines import project
from ports import free_port
from proxies import proxy

from recover.errors import StepError, Unreachable
from recover.runtimes import engine_api
from recover.runtimes.docker_context import SOCKET, endpoint
from recover.runtimes.engine_api import Engine, Gone
from recover.stack import Address


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the docker program's configuration, still empty; nothing comes from this machine's."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def unreachable(engine: Engine) -> Unreachable:
    """Every question and act says so, and none takes it for an empty engine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK leaves a socket that cannot connect to the collector
        said = [_said(ask) for ask in _everything(engine)]
        gc.collect()
    what, where, why, next = said[0]
    assert set(said) == {said[0]}
    return Unreachable(what, where=where, why=why, next=next)


def _everything(engine: Engine) -> list[Callable[[], object]]:
    return [
        lambda: engine.containers("x"),
        engine.projects,
        lambda: engine.volumes("x"),
        lambda: engine.volume_labels("x"),
        lambda: engine.inspect("x"),
        lambda: engine.image("x"),
        lambda: list(engine.logs("x")),
        lambda: engine.ask_inside("x", ["true"]),
        lambda: engine.start("x", "x"),
        lambda: engine.restart("x", "x", 1),
        lambda: engine.unpause("x", "x"),
        lambda: engine.stop("x", "x", 1),
        lambda: engine.remove_labelled("x", "x"),
    ]


def _said(ask: Callable[[], object]) -> tuple[str, str, str, str]:
    with pytest.raises(Unreachable) as caught:
        ask()
    assert caught.value.exit_code == 7
    return (caught.value.what, caught.value.where, caught.value.why, caught.value.next)


# --- no engine ------------------------------------------------------------------------------------


def test_a_socket_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    error = unreachable(Engine())
    assert error.what == "the Docker engine does not answer"
    assert error.where == f"unix://{tmp_path}/none.sock (DOCKER_HOST)"
    assert error.why == "No such file or directory"
    assert "docker context use" in error.next


def test_a_socket_that_nobody_listens_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    assert unreachable(Engine()).why == "Connection refused"


def test_a_port_that_nobody_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
    error = unreachable(Engine())
    assert error.where == f"tcp://127.0.0.1:{port} (DOCKER_HOST)"
    assert error.why == "Connection refused"


def test_an_engine_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_api, "TIMEOUT", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen(20)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/silent.sock")
        assert unreachable(Engine()).why == "timed out"


def test_something_else_than_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({"/version": "no json"}) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert unreachable(Engine()).what == "the Docker engine does not answer"


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "gopher://x")
    assert "gopher" in unreachable(Engine()).why


LOG = "/v1.41/containers/x/logs"


def logged(said: object, *, tty: bool = True) -> dict[str, object]:
    """The answers of an engine that says this when the log of x is asked for."""
    return {"/version": {"ApiVersion": "1.41"}, "/v1.41/containers/x/json": {"Config": {"Tty": tty}}, LOG: said}


def test_an_engine_that_hangs_in_the_middle_of_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_api, "TIMEOUT", 0.3)
    with answering(logged("begun\n"), hanging=LOG) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        with pytest.raises(Unreachable) as caught:
            list(Engine().logs("x"))
    assert caught.value.what == "the Docker engine does not answer"
    assert "timed out" in caught.value.why


@pytest.mark.parametrize(("tty", "body"), [(True, b"one\r\ntwo"), (False, b"\1\0\0\0\0\0\0\x07one\ntwo")])
def test_a_log_is_asked_for_from_a_time_on_and_its_end(monkeypatch: pytest.MonkeyPatch, tty: bool, body: bytes) -> None:
    asked: list[str] = []
    with answering(logged(body, tty=tty), asked) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert list(Engine().logs("x", datetime(2026, 1, 1, tzinfo=UTC), 3)) == ["one", "two"]
        assert list(Engine().logs("x")) == ["one", "two"]
    words = ["stdout=1&stderr=1&tail=3&since=1767225599.999", "stdout=1&stderr=1&tail=all"]
    assert [path for path in asked if path.startswith(LOG)] == [f"{LOG}?{each}" for each in words]


def test_a_log_that_went_with_its_container_is_empty_and_one_that_is_refused_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(logged((404, b'{"message": "No such container: x"}'))) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert list(Engine().logs("x")) == []
    with answering(logged((501, b'{"message": "configured logging driver does not support reading"}'))) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        with pytest.raises(Unreachable) as caught:
            list(Engine().logs("x"))
    assert caught.value.what == "the log of x cannot be read"
    assert caught.value.why == "configured logging driver does not support reading"


# --- which version --------------------------------------------------------------------------------


@contextmanager
def answering(answers: Mapping[str, object], asked: list[str] | None = None, *, hanging: str = "") -> Iterator[int]:
    """An HTTP server with these answers by their path, 404 for the rest; its port.

    An answer is text, bytes, or data for JSON; in a pair with its status when that is not 200. `asked` gets what was
    asked for. The answer to `hanging` lacks its end until the block is left.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.path)
            path = self.path.split("?")[0]
            found = answers.get(path, (404, b"null"))
            status, said = found if isinstance(found, tuple) else (200, found)
            text = said if isinstance(said, str | bytes) else json.dumps(said)
            body = text.encode() if isinstance(text, str) else text
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + (path == hanging)))
            self.end_headers()
            self.wfile.write(body)
            if path == hanging:
                over.wait(20)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            over.set()
            server.shutdown()


def test_an_engine_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({"/version": {"ApiVersion": "1.40"}, "/v1.40/containers/json": []}) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        error = unreachable(Engine())
    assert error.what == "the Docker engine is too old"
    assert error.why == "it speaks API 1.40, not 1.41"
    assert error.where == f"tcp://127.0.0.1:{port} (DOCKER_HOST)"


@pytest.mark.parametrize("version", ["1.41", "1.51"])
def test_an_engine_is_spoken_to_in_its_own_version(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    listed = [{"Id": "1", "Labels": {engine_api.SERVICE: "api"}}]
    with answering({"/version": {"ApiVersion": version}, f"/v{version}/containers/json": listed}) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert Engine().containers("x") == listed


def test_an_engine_over_ssh_is_reached_by_the_ssh_program(monkeypatch: pytest.MonkeyPatch) -> None:
    import docker

    asked: dict[str, Any] = {}

    def client(url: str, **options: Any) -> None:
        asked.update(options, url=url)
        raise OSError("no network here")

    monkeypatch.setattr(docker, "APIClient", client)
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@far.example")
    assert unreachable(Engine()).why == "no network here"
    assert (asked["url"], asked["use_ssh_client"]) == ("ssh://me@far.example", True)
    assert Engine().host == "far.example"


# --- which engine ---------------------------------------------------------------------------------


def test_without_a_word_it_is_the_socket_of_this_machine() -> None:
    assert str(endpoint()) == f"{SOCKET} (context default)"


def test_a_context_that_there_is_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    error = unreachable(Engine())
    assert error.what == "there is no Docker context 'nowhere'"
    assert error.next == "docker context ls"


def test_a_configuration_that_cannot_be_read_names_no_context(config: Path) -> None:
    for said in ("no json", "[]", "{}"):
        (config / "config.json").write_text(said)
        assert endpoint().url == SOCKET


@pytest.mark.docker
def test_a_context_is_found_where_the_docker_program_keeps_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_context("far", "host=tcp://far.example:1234")
    assert endpoint().url == SOCKET
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    assert not (config / "config.json").exists()  # the docker program needs none
    assert str(endpoint()) == "tcp://far.example:1234 (context far)"
    assert Engine().host == "far.example"
    monkeypatch.delenv("DOCKER_CONTEXT")
    (config / "config.json").write_text(json.dumps({"currentContext": "far"}))
    assert str(endpoint()) == "tcp://far.example:1234 (context far)"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert endpoint().url == SOCKET
    monkeypatch.setenv("DOCKER_HOST", "unix:///elsewhere.sock")
    assert str(endpoint()) == "unix:///elsewhere.sock (DOCKER_HOST)"


@pytest.mark.docker
def test_a_context_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy() as between:
        create_context("between", f"host={between.url}")
        monkeypatch.setenv("DOCKER_CONTEXT", "between")
        assert Engine().containers("recovertestabsent") == []
    assert any("/containers/json" in asked for asked in between.asked)


@pytest.mark.docker
def test_the_certificates_of_a_context_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "key.pem", "-out", "c.pem")
    subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    files = ",".join(f"{name}={tmp_path}/{file}.pem" for name, file in (("ca", "c"), ("cert", "c"), ("key", "key")))
    port = free_port()
    create_context("tls", f"host=tcp://127.0.0.1:{port},{files},skip-tls-verify=true")
    monkeypatch.setenv("DOCKER_CONTEXT", "tls")
    at = endpoint()
    assert not at.verify
    assert at.certificates
    assert {path.name for path in at.certificates.iterdir()} == {"ca.pem", "cert.pem", "key.pem"}
    tls = engine_api._tls(at)
    assert tls.cert == tuple(str(at.certificates / name) for name in ("cert.pem", "key.pem"))
    assert (tls.verify, tls.ca_cert) == (False, str(at.certificates / "ca.pem"))
    assert unreachable(Engine()).why == "Connection refused"


@pytest.mark.docker
def test_an_engine_on_a_port_publishes_on_its_own_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    file = f"services: {{a: {{image: '${{IMAGE}}', command: [sleep, '60'], init: true, ports: ['{port}:80', '81']}}}}"
    with project(tmp_path, file) as made, proxy() as between:
        made.compose("up", "--detach")
        assert made.runtime.address("a") == Address("127.0.0.1", port)
        chosen = made.runtime.address("a", 81)
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("DOCKER_HOST", between.url.replace("127.0.0.1", "localhost"))
            assert made.runtime.address("a") == Address("localhost", port)
            assert made.runtime.address("a", 81) == Address("localhost", chosen.port)


# --- acts -----------------------------------------------------------------------------------------


@pytest.mark.docker
def test_what_is_gone_is_said_and_an_act_on_it_is_refused_in_the_engines_words() -> None:
    with pytest.raises(Gone):
        Engine().inspect("recovertest-absent")
    assert Engine().image("recovertest/absent:1") is None
    assert Engine().volume_labels("recovertest-absent") is None
    assert list(Engine().logs("recovertest-absent")) == []
    with pytest.raises(StepError) as caught:
        Engine().start("recovertest-absent", "absent")
    assert caught.value.what == "cannot start absent"
    assert caught.value.why == "No such container: recovertest-absent"


@pytest.mark.docker
def test_an_engine_that_was_away_is_connected_to_again_wherever_it_then_is(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    with proxy() as between:
        monkeypatch.setenv("DOCKER_HOST", between.url)
        assert isinstance(engine.projects(), list)
    with pytest.raises(Unreachable):
        engine.projects()
    monkeypatch.delenv("DOCKER_HOST")
    assert isinstance(engine.projects(), list)


def create_context(name: str, docker: str) -> None:
    subprocess.run(["docker", "context", "create", name, "--docker", docker], check=True, capture_output=True)
