"""What is wrong around a container: paused, elsewhere, doubled, named alike, without an image, without an engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cut import Line
from engines import Project, docker, project
from faults import GENEROUS, ask, carry_out, image, stack, start

from recover.checks.logs import LogsAre
from recover.checks.service import ServiceIs
from recover.errors import StepError
from recover.stack import Given
from recover.steps.service import StartService, StopService

pytestmark = pytest.mark.docker

API = "  api: {<<: *base, command: [echo hello from $$HOSTNAME; sleep 600]}\n"
PLAYBOOK = """
recover: 1
name: tiny
title: A tiny stack of containers
targets: {{here: {{services: {{runtime: compose, project: {project}, files: [compose.yaml]}}}}}}
stages:
- stage: Up
  steps:
  - {{id: api, name: Start the API, service.start: {{services: [api], env: {{api: {{MODE: degraded}}}}}}}}
  - {{id: full, name: Leave the degraded mode, service.start: {{services: [api]}}}}
final: [{{service: {{name: api, as_declared: true}}}}]
"""


def running(container: str) -> str:
    """Which incarnation of it runs."""
    return docker("inspect", container, "--format", "{{.Id}} {{.State.StartedAt}} {{.State.Status}}")


def recover(made: Project, *words: str, engine: str = "", expect: int | None = 0) -> str:
    """Run the command line on the project; everything it said. It ends with `expect`, if that is a number."""
    folder = made.file.parent
    replica = folder / "state" / made.name / "replica-here"
    replica.mkdir(parents=True, exist_ok=True)
    (replica / ".env").write_text(f"IMAGE={image()}\n")
    (folder / "playbook.yml").write_text(PLAYBOOK.format(project=made.name))
    done = subprocess.run(
        [sys.executable, "-m", "recover", *words, "--project", made.name, "--state-dir", str(folder / "state")],
        env={**os.environ, **({"DOCKER_HOST": engine} if engine else {})},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert expect in (None, done.returncode), f"{done.returncode}\n{said}"
    assert "Traceback" not in said
    return said


# --- paused, elsewhere ----------------------------------------------------------------------------


def test_a_paused_container_is_called_that_and_brought_back(tmp_path: Path) -> None:
    with stack(tmp_path, API) as made:
        assert start(made, "api").passed
        docker("pause", made.container("api"))
        verdict = ask(made, ServiceIs("api"), 0)
        assert (verdict.passed, verdict.answer) == (
            False,
            f"it is paused: docker unpause {made.name}-api-1 lets it go on",
        )
        assert start(made, "api").passed


def test_a_paused_container_can_be_stopped(tmp_path: Path) -> None:
    with stack(tmp_path, API) as made:
        assert start(made, "api").passed
        docker("pause", made.container("api"))
        carry_out(made, StopService(("api",)))
        assert made.runtime.state("api").status == "stopped"


def test_a_container_on_another_network_is_not_right_until_it_is_made_anew(tmp_path: Path) -> None:
    with stack(tmp_path, API) as made:
        own, other = f"{made.name}_default", f"{made.name}_other"
        assert start(made, "api").passed
        docker("network", "create", other)
        try:
            docker("network", "disconnect", own, made.container("api"))
            docker("network", "connect", other, made.container("api"))
            verdict = ask(made, ServiceIs("api"), 0)
            assert not verdict.passed
            assert verdict.answer == f"it is running: it is on the network {other}, not on {own}"
            [action] = carry_out(made, StartService(("api",), within=GENEROUS))
            assert action.because.startswith(f"networks is '{other}', wanted '{own}'")
        finally:
            docker("network", "rm", other)
        assert ask(made, ServiceIs("api", as_declared=True)).passed


# --- doubled, named alike -------------------------------------------------------------------------


@contextmanager
def double(made: Project) -> Iterator[str]:
    """A second container of api, made by hand."""
    labels = (f"project={made.name}", "service=api", "oneoff=False")
    words = [word for label in labels for word in ("--label", f"com.docker.compose.{label}")]
    name = f"{made.name}-by-hand"
    docker("run", "-d", "--name", name, "--network", "none", *words, "--entrypoint", "sleep", image(), "600")
    try:
        yield name
    finally:
        docker("rm", "-f", name)


@pytest.mark.parametrize("anew", [False, True])
def test_of_two_containers_neither_is_touched(tmp_path: Path, *, anew: bool) -> None:
    with stack(tmp_path, API) as made:
        assert start(made, "api").passed
        if anew:  # compose leaves a label on a container that has replaced another
            made.compose("up", "-d", "--force-recreate")
        first = made.container("api")
        with double(made) as second:
            before = [running(first), running(second)]
            verdict = ask(made, ServiceIs("api"), 0)
            assert not verdict.passed
            assert "2 containers of api, not 1: " in verdict.answer
            assert f"{first} (running)" in verdict.answer
            assert f"{second} (running)" in verdict.answer
            with pytest.raises(StepError) as caught:
                carry_out(made, StartService(("api",)))
            assert [running(first), running(second)] == before
        assert caught.value.what == "there are 2 containers of api, not 1"
        assert caught.value.where in (f"{first}, {second}", f"{second}, {first}")
        assert caught.value.next.endswith((f"docker rm -f {first}", f"docker rm -f {second}"))
        assert start(made, "api").passed  # with the wrong one gone


def test_a_stopped_double_is_named_too(tmp_path: Path) -> None:
    with stack(tmp_path, API) as made:
        assert start(made, "api").passed
        with double(made) as second:
            docker("stop", "--time", "0", second)
            assert f"{second} (exited)" in ask(made, ServiceIs("api"), 0).answer
            with pytest.raises(StepError) as caught:
                carry_out(made, StartService(("api",)))
            assert caught.value.next.endswith(f"docker rm -f {second}")


def test_what_a_compose_that_was_cut_off_had_made_is_cleared(tmp_path: Path) -> None:
    with stack(tmp_path, API) as made:
        assert start(made, "api").passed
        first = made.container("api")
        old = running(first).split()[0]
        labels = (f"project={made.name}", "service=api", "oneoff=False", "container-number=1", f"replace={old}")
        words = [word for label in labels for word in ("--label", f"com.docker.compose.{label}")]
        docker("create", "--name", f"{old[:12]}_{first}", *words, "--network", "none", image())
        made.runtime.start("api", Given({"MODE": "degraded"}))
        assert made.containers() == [first]
        assert made.runtime.state("api").environment["MODE"] == "degraded"


def test_a_container_that_is_missing_of_several_is_made(tmp_path: Path) -> None:
    with stack(tmp_path, API.replace("{<<: *base", "{<<: *base, scale: 2")) as made:
        assert start(made, "api").passed
        docker("rm", "-f", made.containers("api")[0])
        assert "1 containers of api, not 2: " in ask(made, ServiceIs("api"), 0).answer
        assert start(made, "api").passed
        assert len(made.containers("api")) == 2


def test_a_service_whose_name_is_part_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    services = "".join(
        f"  {name}: {{<<: *base, command: ['echo {name} speaks; sleep 600']}}\n"
        for name in ("redis", "redis_exporter", "my_redis")
    )
    with stack(tmp_path, services) as made:
        assert start(made, "redis_exporter", "my_redis").passed
        others = [made.container("redis_exporter"), made.container("my_redis")]
        before = [running(name) for name in others]
        missing = ask(made, ServiceIs("redis"), 0)
        assert missing.answer == "it is missing: there is no container of it"
        assert made.runtime.statuses()["redis"] == "missing"
        carry_out(made, StopService(("redis",)))
        assert made.containers("redis") == []
        assert start(made, "redis").passed
        assert ask(made, LogsAre("redis", absent="exporter|my_redis", present="redis speaks")).passed
        docker("kill", made.container("redis"))
        assert not ask(made, ServiceIs("redis"), 0).passed
        assert start(made, "redis").passed
        carry_out(made, StopService(("redis",)))
        assert made.runtime.statuses() == {"redis": "exited", "redis_exporter": "running", "my_redis": "running"}
        assert [running(name) for name in others] == before


# --- without an image -----------------------------------------------------------------------------


def test_a_missing_image_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    with project(tmp_path, "services: {api: {image: 'recovertest/not-there:1.2'}}") as made:
        said = recover(made, "run", "playbook.yml", expect=1)
        assert made.containers() == []
    assert "cannot make the container of api: its image is missing" in said
    assert "because: the engine has no image 'recovertest/not-there:1.2'" in said
    assert "next: docker pull recovertest/not-there:1.2" in said


# --- without an engine ----------------------------------------------------------------------------

NEXT = "next: docker version; then start the engine, or name another one: DOCKER_HOST, docker context use"


@pytest.mark.parametrize(
    ("request_line", "carried_out"),
    [  # in the order in which they come: the container is made (not the lease) and started, then replaced
        ("/containers/create?name=recovertest", False),
        ("/containers/create?name=recovertest", True),
        ("/start HTTP", False),
        ("/start HTTP", True),
        ("DELETE ", False),
        ("DELETE ", True),
        ("/rename?", False),
    ],
)
def test_an_engine_that_goes_away_in_a_step_is_named_and_the_run_goes_on(
    tmp_path: Path, request_line: str, *, carried_out: bool
) -> None:
    with stack(tmp_path, API) as made, Line(tmp_path / "engine", request_line, carried_out) as line:
        said = recover(made, "run", "playbook.yml", engine=line.url, expect=1)
        assert line.cuts, said
        away = recover(made, "resume", engine=line.url, expect=None)
        for answer in (said, away):
            assert "the Docker engine does not answer" in answer
            assert f"at: {line.url} (DOCKER_HOST)" in answer
            assert NEXT in answer
        assert "go on:  recover resume" in said
        assert "no longer true" not in away
        line.mend()
        recover(made, "resume", engine=line.url)
        assert len(made.containers()) == 1
        assert ask(made, ServiceIs("api", as_declared=True)).passed


def test_an_engine_that_is_away_from_the_start_is_named(tmp_path: Path) -> None:
    with stack(tmp_path, API) as made:
        said = recover(made, "run", "playbook.yml", engine=f"unix://{tmp_path}/nobody", expect=7)
    assert "the Docker engine does not answer" in said
    assert f"at: unix://{tmp_path}/nobody (DOCKER_HOST)" in said
    assert "because: No such file or directory" in said
    assert NEXT in said
