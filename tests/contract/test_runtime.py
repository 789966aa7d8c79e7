"""What every runtime keeps, whatever it drives. A new runtime joins by a line in STACKS."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engines import project
from fakes import FakeServices
from ports import free_port
from replicas import replica, until

from recover.errors import PlaybookError
from recover.stack import Given
from recover.world import Services

LOCAL = """
local: 1
services:
  db:
    command: ["${python}", "${stack}/server.py"]
    environment: {MODE: full, PORT: "${DB_PORT}"}
    ports: ["${DB_PORT}"]
    ready: {tcp: {}}
  api: {command: ["${python}", "${stack}/server.py"], environment: {MODE: full, LEVEL: info}}
  once: {command: ["${python}", -c, "pass"], oneshot: true}
"""
COMPOSE = """
x-server: &server
  image: ${IMAGE}
  entrypoint: [/bin/sh, -c]
  command: ["trap 'exit 3' USR1; trap 'exit 143' TERM; echo began in mode $$MODE; while :; do sleep 600 & wait; done"]
services:
  db:
    <<: *server
    environment: {MODE: full, PORT: "${DB_PORT}"}
    ports: ["127.0.0.1:${DB_PORT}:${DB_PORT}"]
    healthcheck: {test: [CMD, "true"], interval: 1s}
  api: {<<: *server, environment: {MODE: full, LEVEL: info}, depends_on: [db]}
  once: {image: "${IMAGE}", entrypoint: [/bin/true], restart: "no"}
"""
SERVER = """
import os, signal, socket, time
signal.signal(signal.SIGUSR1, lambda *_: os._exit(3))
print("began in mode", os.environ["MODE"], flush=True)
if "PORT" in os.environ:
    server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    time.sleep(600)
"""


@dataclass(frozen=True)
class Stack:
    """Services db (with a port), api and once on some runtime; `crash` makes one end with code 3."""

    services: Services
    port: int
    crash: Callable[[str], None]
    keeps_logs: bool = True  # of a replaced instance; its lines carry no time, so the unit is the incarnation


@contextmanager
def fake(_folder: Path) -> Iterator[Stack]:
    services = FakeServices(
        {"db": {"MODE": "full"}, "api": {"MODE": "full", "LEVEL": "info"}, "once": {}},
        {"db": (5432,)},
        frozenset({"once"}),
        first_words="began in mode {MODE}",
    )
    yield Stack(services, 5432, lambda service: services.end(service, 3))


@contextmanager
def local(folder: Path) -> Iterator[Stack]:
    port = free_port()
    with replica(folder, LOCAL, {"DB_PORT": port}) as made:
        (made.file.parent / "server.py").write_text(SERVER)

        def crash(service: str) -> None:
            until(lambda: list(made.runtime.logs(service)))  # it has said something: its handler is set
            record = made.process(service).record()
            assert record
            os.kill(record.pid, signal.SIGUSR1)

        yield Stack(made.runtime, port, crash)


@contextmanager
def compose(folder: Path) -> Iterator[Stack]:
    port = free_port()
    with project(folder, COMPOSE, {"DB_PORT": port}) as made:

        def crash(service: str) -> None:
            until(lambda: list(made.runtime.logs(service)))  # it has said something: its handler is set
            made.docker("kill", "--signal", "USR1", made.container(service))

        yield Stack(made.runtime, port, crash, keeps_logs=False)


STACKS: dict[str, Callable[[Path], AbstractContextManager[Stack]]] = {"fake": fake, "local": local, "compose": compose}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.docker if name == "compose" else ()) for name in STACKS])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    with STACKS[request.param](tmp_path) as made:
        yield made


def test_services_are_named_in_the_order_of_the_file(stack: Stack) -> None:
    assert stack.services.names() == ("db", "api", "once")


def test_what_a_service_needs_is_named_before_it(stack: Stack) -> None:
    names = stack.services.names()
    needs = {name: stack.services.state(name).needs for name in names}
    assert needs["api"] == ("db",)
    assert all(names.index(needed) < names.index(name) for name in names for needed in needs[name])


def test_an_unknown_service_is_refused_everywhere_with_a_suggestion(stack: Stack) -> None:
    for ask in (
        stack.services.state,
        stack.services.start,
        stack.services.stop,
        lambda name: list(stack.services.logs(name)),
        stack.services.address,
    ):
        with pytest.raises(PlaybookError) as caught:
            ask("apii")
        assert caught.value.next == "did you mean 'api'?"


def test_what_was_never_started_is_missing_and_declares_its_environment(stack: Stack) -> None:
    state = stack.services.state("api")
    assert (state.status, state.running, state.ready, state.exit_code) == ("missing", False, None, None)
    assert state.declared["LEVEL"] == "info"
    assert list(stack.services.logs("api")) == []


def test_a_started_service_runs_with_its_files_environment_and_what_was_given(stack: Stack) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    stack.services.start("api", Given({"MODE": "degraded", "EXTRA": ""}))
    state = stack.services.state("api")
    assert state.running
    assert state.environment == {"MODE": "degraded", "LEVEL": "info", "EXTRA": ""}
    assert state.declared == {"MODE": "full", "LEVEL": "info"}
    assert state.instance
    assert state.started_at is not None
    assert before < state.started_at < datetime.now(UTC) + timedelta(seconds=1)


def test_starting_again_replaces_the_instance_and_forgets_what_was_given(stack: Stack) -> None:
    stack.services.start("api", Given({"MODE": "degraded"}))
    first = stack.services.state("api")
    stack.services.start("api")
    second = stack.services.state("api")
    assert second.running
    assert second.instance != first.instance
    assert second.environment == second.declared


def test_a_service_becomes_ready_and_is_asked_only_on_demand(stack: Stack) -> None:
    stack.services.start("db")
    until(lambda: stack.services.state("db", probe=True).ready)
    assert stack.services.state("db").ready is None
    assert stack.services.state("db", probe=True).detail == ""


def test_what_does_not_run_is_not_ready_and_says_why(stack: Stack) -> None:
    state = stack.services.state("db", probe=True)
    assert state.ready is False
    assert state.detail


def test_a_stopped_service_is_gone_and_may_be_stopped_again(stack: Stack) -> None:
    stack.services.stop("api")
    assert stack.services.state("api").status == "missing"
    stack.services.start("api")
    stack.services.stop("api")
    stack.services.stop("api")
    assert stack.services.state("api").status == "stopped"


def test_what_is_put_back_does_not_run_and_is_made_as_wanted_where_a_stopped_one_is_made(stack: Stack) -> None:
    stack.services.put_back("api", Given({"MODE": "degraded"}))
    assert stack.services.state("api").status == "missing"
    stack.services.start("api", Given({"MODE": "degraded"}))
    stack.services.put_back("api", Given({"MODE": "former"}))
    stack.services.put_back("api", Given({"MODE": "former"}))
    state = stack.services.state("api")
    assert state.status == "stopped"
    assert not state.fixed or state.environment == {"MODE": "former", "LEVEL": "info"}


def test_a_crash_is_told_from_a_stop_and_has_its_exit_code(stack: Stack) -> None:
    stack.services.start("api")
    stack.crash("api")
    until(lambda: not stack.services.state("api").running)
    assert stack.services.state("api").status == "exited"
    assert stack.services.state("api").exit_code == 3
    stack.services.start("api")
    assert stack.services.state("api").running


def test_a_one_shot_that_ended_well_is_ready(stack: Stack) -> None:
    stack.services.start("once")
    until(lambda: stack.services.state("once").status == "exited")
    state = stack.services.state("once", probe=True)
    assert (state.oneshot, state.exit_code, state.ready, state.detail) == (True, 0, True, "")


def test_the_log_is_that_of_the_present_incarnation_or_of_all_since_a_time(stack: Stack) -> None:
    stack.services.start("api", Given({"MODE": "first"}))
    until(lambda: list(stack.services.logs("api")) == ["began in mode first"])
    began = stack.services.state("api").started_at
    stack.services.start("api", Given({"MODE": "second"}))
    until(lambda: list(stack.services.logs("api")) == ["began in mode second"])
    earlier = ["began in mode first"] if stack.keeps_logs else []
    assert list(stack.services.logs("api", began)) == [*earlier, "began in mode second"]
    now = list(stack.services.logs("api", datetime.now(UTC)))
    assert now == (["began in mode second"] if stack.keeps_logs else [])


def test_an_address_is_known_whether_the_service_runs_or_not(stack: Stack) -> None:
    assert stack.services.address("db").port == stack.port
    assert stack.services.address("db", stack.port) == stack.services.address("db")
    stack.services.start("db")
    assert stack.services.address("db").port == stack.port


def test_a_port_that_the_service_does_not_have_is_refused(stack: Stack) -> None:
    with pytest.raises(PlaybookError):
        stack.services.address("db", 1)
    with pytest.raises(PlaybookError):
        stack.services.address("api")
