"""A preview of a broken project asks the engine nothing but GET, and says per container what differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import Project, docker, project
from proxies import proxy
from replicas import until

pytestmark = pytest.mark.docker

FILE = """
x-base: &base {image: "${IMAGE}", command: [sleep, "600"], init: true}
services:
  healthy:
    <<: *base
    volumes: ["data:/data"]
    healthcheck: {test: [CMD, "true"], interval: 1s}
  crashed: {<<: *base, command: [sh, -c, "exit 3"], restart: "no"}
  changed: {<<: *base, environment: {MODE: full, TOKEN: in-the-file}}
  missing: {<<: *base}
volumes: {data: {}}
"""
PLAYBOOK = """
recover: 1
name: looking
title: A broken project
target: {services: {runtime: compose, project: PROJECT, files: [compose.yaml]}}
stages:
- stage: Services
  steps:
  - {id: steady, name: Nothing to do, service.start: {services: [healthy]}, check: [{service: {name: healthy}}]}
  - id: all
    name: Start them all
    service.start: {services: [healthy, crashed, changed, missing]}
    check: [{service: {name: healthy, as_declared: true}}]
- stage: Rest
  steps:
  - {id: fewer, name: Stop what is not needed, service.stop: {services: [changed]}}
"""


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path, FILE) as made:
        made.compose("up", "--detach")
        docker("rm", "--force", made.container("missing"))
        made.file.write_text(FILE.replace("MODE: full, TOKEN: in", "MODE: other, TOKEN: now-in"))
        until(lambda: made.runtime.state("crashed").status == "exited")
        until(lambda: '"healthy"' in docker("inspect", "--format", "{{json .State.Health}}", made.container("healthy")))
        (tmp_path / "playbook.yml").write_text(PLAYBOOK.replace("PROJECT", made.name))
        yield made


def plan(made: Project, host: str, *words: str) -> subprocess.CompletedProcess[str]:
    folder = made.file.parent
    command = [sys.executable, "-m", "recover", "plan", str(folder / "playbook.yml"), *words]
    env = {**os.environ, "DOCKER_HOST": host}
    command += ["--state-dir", str(folder / "state")]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_a_plan_only_looks_and_names_every_difference(broken: Project) -> None:
    before = docker("inspect", *broken.containers())
    with proxy(reading=True) as between:
        done = plan(broken, between.url, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert between.refused == []
    assert len(between.asked) > 4
    assert {asked.split()[0] for asked in between.asked} <= {"GET", "HEAD"}
    steady, said, _ = json.loads(done.stdout)["steps"]
    assert steady["status"] == "not needed"  # its health was read, and not asked in the container
    assert [tuple(action.values()) for action in said["actions"]] == [
        ("start crashed", "it is exited (code 3)"),
        ("recreate changed", "MODE is 'full', wanted 'other'; TOKEN is ***, wanted ***"),
        ("start missing", "it is missing: there is no container of it"),
    ]
    assert "in-the-file" not in done.stdout
    assert _still(docker("inspect", *broken.containers())) == _still(before)


def test_the_proxy_would_refuse_an_act(broken: Project) -> None:
    with proxy(reading=True) as between:
        words = ["docker", "--host", between.url, "stop", broken.container("healthy")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "only reading is allowed here" in done.stderr
    assert any("POST" in asked for asked in between.refused)


def test_a_plan_without_an_engine_says_so(broken: Project, tmp_path: Path) -> None:
    done = plan(broken, f"unix://{tmp_path}/none.sock")
    assert done.returncode == 7
    assert "the Docker engine does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def _still(inspected: str) -> list[tuple[str, str, str]]:
    return [(each["Id"], each["State"]["StartedAt"], each["State"]["FinishedAt"]) for each in json.loads(inspected)]


MOUNTS = """
services:
  db:
    image: "${IMAGE}"
    command: [sleep, "600"]
    init: true
    secrets: [key]
    volumes: ["data:/data", "./conf:/conf:ro"]
volumes: {data: {}}
secrets: {key: {file: ./key}}
"""


def test_what_a_service_mounts_and_is_not_there_is_seen_before_it_is_started(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")
    (tmp_path / "conf").mkdir()
    with project(tmp_path, MOUNTS) as made:
        volume = f"{made.name}_data"
        assert made.runtime.state("db", probe=True).lacks == (f"volume {volume}",)  # nothing was started yet
        made.compose("up", "--detach")
        assert made.runtime.state("db", probe=True).lacks == ()
        assert made.runtime.state("db").lacks == ()
        (tmp_path / "key").unlink()
        (tmp_path / "conf").rmdir()
        assert made.runtime.state("db", probe=True).lacks == (str(tmp_path / "conf"), str(tmp_path / "key"))
        assert made.runtime.state("db").lacks == ()  # a look that asks nothing costs nothing
