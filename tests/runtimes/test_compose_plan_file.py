"""A plan for real containers: done byte for byte, and refused when one was made anew or changed in between."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import IMAGE, Project, docker, project

from recover.agreement import canonical
from recover.journal.records import NAME, records
from recover.stack import Given

pytestmark = pytest.mark.docker

FILE = """
services:
  api: {image: "${IMAGE}", command: [sleep, "600"], init: true, environment: {MODE: full}}
"""
PLAYBOOK = """\
recover: 1
name: planned
title: One service
target: {services: {runtime: compose, project: %s, files: [compose.yaml]}}
stages:
- stage: All
  steps:
  - {id: api, name: Degrade, service.start: {services: [api], wait: started, env: {api: {MODE: degraded}}}}
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path, FILE, {"IMAGE": IMAGE}) as made:
        made.compose("up", "--detach")
        (tmp_path / "playbook.yml").write_text(PLAYBOOK % made.name)
        recover(tmp_path, "plan", str(tmp_path / "playbook.yml"), "-o", str(tmp_path / "plan.json"))
        yield made


def recover(tmp_path: Path, *command: str, expect: int = 0) -> str:
    words = [sys.executable, "-m", "recover", *command, "--state-dir", str(tmp_path / "state")]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def run(tmp_path: Path, expect: int = 0) -> str:
    return recover(tmp_path, "run", "--plan", str(tmp_path / "plan.json"), expect=expect)


def mode(made: Project) -> str:
    return made.runtime.state("api").environment["MODE"]


def test_the_acts_are_those_of_the_plan(made: Project, tmp_path: Path) -> None:
    run(tmp_path)
    [journal] = (tmp_path / "state").glob(f"*/*/{NAME}")
    done = [record.data["action"] for record in records(journal) if record.event == "ActionStarted"]
    planned = [
        act["action"] for step in json.loads((tmp_path / "plan.json").read_text())["steps"] for act in step["actions"]
    ]
    assert [canonical(act) for act in done] == [canonical(act) for act in planned]
    assert mode(made) == "degraded"


def test_a_container_that_was_made_anew_or_restarted_is_refused(made: Project, tmp_path: Path) -> None:
    made.compose("up", "--detach", "--force-recreate")
    assert "instance of api: planned: " in run(tmp_path, expect=8)
    recover(tmp_path, "plan", str(tmp_path / "playbook.yml"), "-o", str(tmp_path / "plan.json"))
    docker("restart", "--time", "0", made.container("api"))
    assert "instance of api: planned: " in run(tmp_path, expect=8)
    assert mode(made) == "full"


def test_a_container_with_another_environment_is_refused(made: Project, tmp_path: Path) -> None:
    made.runtime.start("api", Given({"MODE": "somebody's"}))
    assert "would do something else than planned" in run(tmp_path, expect=8)
    assert mode(made) == "somebody's"


def test_an_edited_playbook_is_refused(made: Project, tmp_path: Path) -> None:
    path = tmp_path / "playbook.yml"
    path.write_text(path.read_text().replace("MODE: degraded", "MODE: off"))
    assert "edited since the plan was made" in run(tmp_path, expect=8)
    assert mode(made) == "full"
